//! A listener on loopback that says yes to every request, as fast as it can read them.

use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Who is told of each request before it is answered: its head and its body.
pub(crate) type Told = Arc<dyn Fn(&str, &[u8]) + Send + Sync>;

/// The value of a header.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines().filter_map(|line| line.split_once(':'));
    let line = lines.find(|(of, _)| of.eq_ignore_ascii_case(name));
    line.map(|(_, value)| value.trim())
}

/// Answers every request of one connection.
async fn serve(mut stream: TcpStream, told: Told) -> std::io::Result<()> {
    const YES: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";
    stream.set_nodelay(true)?;
    let mut bytes = Vec::with_capacity(8_192);
    loop {
        let head = bytes.windows(4).position(|at| at == b"\r\n\r\n");
        let whole = head.and_then(|end| {
            let head = std::str::from_utf8(&bytes[..end]).ok()?;
            let length = header(head, "content-length").and_then(|value| value.parse().ok());
            let ends = end + 4 + length.unwrap_or(0);
            (bytes.len() >= ends).then_some((head, end + 4, ends))
        });
        let Some((head, begins, ends)) = whole else {
            if stream.read_buf(&mut bytes).await? == 0 {
                return Ok(());
            }
            continue;
        };
        told(head, &bytes[begins..ends]);
        stream.write_all(YES).await?;
        bytes.drain(..ends);
    }
}

/// Listens on a free port.
#[expect(clippy::disallowed_methods, reason = "the services of a benchmark")]
pub(crate) async fn listen(told: Told) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("it is bound");
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream, Arc::clone(&told)));
        }
    });
    address
}
