//! The call of a script in Redis that holds a unit, in RESP, and what came for it.
//!
//! The script is loaded beforehand and called by its hash, with the names that it writes as keys.

use std::io::Write as _;

/// Appends a call of the script: the stock of a SKU, the hold's name, the customer.
pub(crate) fn call(
    outgoing: &mut Vec<u8>,
    script: &str,
    (sku, hold, customer): (&str, u128, u128),
) {
    let stock = "stock:".len() + sku.len();
    let written = write!(
        outgoing,
        "*6\r\n$7\r\nEVALSHA\r\n${}\r\n{script}\r\n$1\r\n2\r\n${stock}\r\nstock:{sku}\r\n\
         $37\r\nhold:{hold:032x}\r\n$34\r\nc-{customer:032x}\r\n",
        script.len()
    );
    written.expect("a call is written to memory");
}

/// Whether the unit is held; nothing while the answer is not whole.
pub(crate) fn held(bytes: &[u8]) -> Option<bool> {
    bytes.ends_with(b"\r\n").then(|| bytes == b":1\r\n")
}
