//! One answer of a server, read strictly from the bytes of its connection.

/// An answer, whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// What a field of its head says.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find_map(|(known, value)| known.eq_ignore_ascii_case(name).then_some(value))
    }
}

/// The first answer in some bytes, if all of it is there, and its length.
pub(crate) fn whole(bytes: &[u8]) -> Option<(Answer, usize)> {
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n")? + 4;
    let head = String::from_utf8(bytes[..end].to_vec()).expect("a head is text");
    let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
    let mut answer = Answer {
        status: status.expect("a status line has a status"),
        head,
        body: Vec::new(),
    };
    let length = answer.header("content-length");
    let length = length.expect("every answer says its length");
    let length: usize = length.parse().expect("a length is a number");
    answer.body = bytes.get(end..end + length)?.to_vec();
    Some((answer, end + length))
}
