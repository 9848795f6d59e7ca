//! The addresses that are not the public internet, by the registries of IANA as of 2026.
//!
//! For IPv4 the table names what is *not* public; for IPv6 only 2000::/3 is public at all, less the
//! table. An IPv4 address in an IPv6 one's clothes is judged as what it is.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses that share their first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Net {
    /// The lowest one.
    base: IpAddr,
    /// How many bits they share.
    bits: u32,
}

impl Net {
    /// Nothing if there are more bits than in an address, or the base has a bit beyond them.
    pub(super) fn new(base: IpAddr, bits: u32) -> Option<Self> {
        let (width, value) = numbers(base);
        let rest = width.checked_sub(bits)?;
        let clean = rest == 0 || value.trailing_zeros() >= rest;
        clean.then_some(Self { base, bits })
    }

    /// Exactly one address.
    pub(super) fn one(address: IpAddr) -> Self {
        let (bits, _) = numbers(address);
        let base = address;
        Self { base, bits }
    }

    pub(super) fn holds(&self, address: IpAddr) -> bool {
        let ((width, base), (other_width, other)) = (numbers(self.base), numbers(address));
        let differing = base ^ other;
        width == other_width && differing.checked_shr(width - self.bits).unwrap_or(0) == 0
    }
}

/// How many bits an address has, and the address as a number.
fn numbers(address: IpAddr) -> (u32, u128) {
    match address {
        IpAddr::V4(address) => (32, u128::from(address.to_bits())),
        IpAddr::V6(address) => (128, address.to_bits()),
    }
}

const fn v4(octets: [u8; 4], bits: u32) -> Net {
    let [a, b, c, d] = octets;
    let base = IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    Net { base, bits }
}

const fn v6(first: [u16; 3], bits: u32) -> Net {
    let [a, b, c] = first;
    let base = IpAddr::V6(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0));
    Net { base, bits }
}

const BLOCKED: &[(Net, &str)] = &[
    (v4([0, 0, 0, 0], 8), "unspecified"),
    (v4([10, 0, 0, 0], 8), "private"),
    (v4([100, 64, 0, 0], 10), "shared by a carrier"),
    (v4([127, 0, 0, 0], 8), "loopback"),
    // A virtual public address by which one cloud's machines reach their host.
    (v4([168, 63, 129, 16], 32), "a cloud's own"),
    // Link-local holds the metadata service of most clouds, 169.254.169.254.
    (v4([169, 254, 0, 0], 16), "link-local"),
    (v4([172, 16, 0, 0], 12), "private"),
    (v4([192, 0, 0, 0], 24), "reserved"),
    (v4([192, 0, 2, 0], 24), "documentation"),
    (v4([192, 88, 99, 0], 24), "reserved"),
    (v4([192, 168, 0, 0], 16), "private"),
    (v4([198, 18, 0, 0], 15), "benchmarking"),
    (v4([198, 51, 100, 0], 24), "documentation"),
    (v4([203, 0, 113, 0], 24), "documentation"),
    (v4([224, 0, 0, 0], 4), "multicast"),
    (v4([240, 0, 0, 0], 4), "reserved"),
    // Teredo, benchmarking, ORCHID and others: none of them is somebody's server.
    (v6([0x2001, 0, 0], 23), "reserved"),
    (v6([0x2001, 0xdb8, 0], 32), "documentation"),
    (v6([0x2002, 0, 0], 16), "6to4"),
    (v6([0x3fff, 0, 0], 20), "documentation"),
    (v6([0xfc00, 0, 0], 7), "private"),
    (v6([0xfe80, 0, 0], 10), "link-local"),
    (v6([0xfec0, 0, 0], 10), "private"),
    (v6([0xff00, 0, 0], 8), "multicast"),
];

const PUBLIC_V6: Net = v6([0x2000, 0, 0], 3);
const NAT64: Net = v6([0x64, 0xff9b, 0], 96);

/// The IPv4 address that is reached by an IPv6 one, if there is one; else the address itself.
pub(super) fn plain(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(long) if NAT64.holds(address) => {
            let [.., a, b, c, d] = long.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        canonical => canonical,
    }
}

/// What a plain address is, if it is not one of the public internet.
pub(super) fn not_public(address: IpAddr) -> Option<&'static str> {
    let blocked = BLOCKED.iter().find(|(net, _)| net.holds(address));
    if let Some((_, what)) = blocked {
        return Some(what);
    }
    match address {
        IpAddr::V4(_) => None,
        IpAddr::V6(address) if address.is_loopback() => Some("loopback"),
        IpAddr::V6(address) if address.is_unspecified() => Some("unspecified"),
        IpAddr::V6(_) => (!PUBLIC_V6.holds(address)).then_some("reserved"),
    }
}
