use super::*;

#[test]
fn a_host_with_or_without_port_is_taken() {
    for (url, address) in [
        ("http://127.0.0.1:7411", "127.0.0.1:7411"),
        ("http://localhost:80/", "localhost:80"),
        ("http://shop.example", "shop.example:80"),
        ("http://[::1]:7411", "[::1]:7411"),
        ("http://[::1]", "[::1]:80"),
    ] {
        let target = Target::new(url).expect(url);
        assert_eq!(target.address(), address);
        assert_eq!(target.host_line(), format!("host: {address}\r\n"));
    }
}

#[test]
fn everything_else_is_refused_with_the_url_in_the_text() {
    for url in [
        "https://127.0.0.1:7411",
        "127.0.0.1:7411",
        "http://",
        "http://:80",
        "http://a:b",
        "http://a:70000",
        "http://a/v1",
        "http://user@a",
        "http://::1",
        "http://a\r\nx: y",
    ] {
        let error = Target::new(url).map(|target| target.to_string());
        assert!(error.expect_err(url).to_string().contains(url), "{url}");
    }
}
