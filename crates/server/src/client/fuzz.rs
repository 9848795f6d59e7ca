//! What is fuzzed of the client: what a server answers. See `crate::fuzz`.

use super::reply::{chunks, head, member};

/// A head and a chunked body are there when they are whole, no sooner, and within what was read.
pub fn replies(bytes: &[u8]) {
    let rest = match head(bytes) {
        Ok(Some(found)) => {
            assert!(found.length <= bytes.len());
            for cut in 0..found.length {
                assert_eq!(head(&bytes[..cut]), Ok(None), "cut at {cut}");
            }
            let position = found.position.clone().map(|at| &bytes[at]);
            let is_text = |text: &[u8]| std::str::from_utf8(text).is_ok();
            assert!(position.is_none_or(is_text));
            assert_eq!(head(&bytes[..found.length]), Ok(Some(found.clone())));
            &bytes[found.length..]
        }
        Ok(None) | Err(_) => bytes,
    };
    let (mut whole, mut part) = (Vec::new(), Vec::new());
    if let Ok(Some(taken)) = chunks(rest, &mut whole) {
        assert!(taken <= rest.len() && whole.len() < taken);
        for cut in 0..taken {
            assert_eq!(chunks(&rest[..cut], &mut part), Ok(None), "cut at {cut}");
        }
        assert_eq!(chunks(&rest[..taken], &mut part), Ok(Some(taken)));
        assert_eq!(part, whole);
    }
    if let Some(code) = member(rest, "code") {
        assert!(!code.contains(['"', '\\']), "{code:?} is not plain");
    }
}
