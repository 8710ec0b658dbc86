//! Which hosts a user may name: the public ones, and those the operator allows.
//!
//! Pure: names are resolved by the callers, which ask here about each address they are about to connect
//! to. An address that is not listed as public is never reached unless [`AllowHosts`] says so.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use url::Host;

/// Hosts that may be reached although they are not public, and without TLS.
///
/// Written as names, addresses and CIDR ranges with commas or blanks between them, such as
/// `127.0.0.0/8,localhost,sim`. A name covers exactly itself, whatever it resolves to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AllowHosts {
    names: Vec<String>,
    nets: Vec<IpNet>,
}

/// An entry of a list of allowed hosts that is no name, address or range.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{entry:?} is no host name, address or range, write for example localhost, ::1 or 10.0.0.0/8"
)]
pub struct AllowHostsError {
    /// The entry as it was written.
    pub entry: String,
}

impl AllowHosts {
    /// Whether nothing is allowed beyond the public internet.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty() && self.nets.is_empty()
    }

    /// Whether this name is in the list; its addresses are then not looked at.
    pub fn allows_name(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.');
        self.names
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(name))
    }

    /// Whether this address lies in an allowed range.
    pub fn allows_address(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.nets.iter().any(|net| net.contains(&address))
    }

    /// Whether the host itself is in the list, and so may be used without TLS.
    ///
    /// A name that is not listed is not allowed here even if it resolves into an allowed range.
    pub fn allows(&self, host: &Host<&str>) -> bool {
        match *host {
            Host::Domain(name) => self.allows_name(name),
            Host::Ipv4(address) => self.allows_address(address.into()),
            Host::Ipv6(address) => self.allows_address(address.into()),
        }
    }

    /// Allows one more host.
    pub fn insert(&mut self, host: &Host<&str>) {
        match *host {
            Host::Domain(name) => self.names.push(name.to_owned()),
            Host::Ipv4(address) => self.nets.push(IpAddr::V4(address).into()),
            Host::Ipv6(address) => self.nets.push(IpAddr::V6(address).into()),
        }
    }

    /// Whether a connection to this address of a name that is not listed may be made.
    pub fn may_reach(&self, address: IpAddr) -> bool {
        is_public(address) || self.allows_address(address)
    }
}

impl FromStr for AllowHosts {
    type Err = AllowHostsError;

    fn from_str(list: &str) -> Result<Self, Self::Err> {
        let mut hosts = Self::default();
        let entries = list.split(|c: char| c == ',' || c.is_whitespace());
        for entry in entries.filter(|entry| !entry.is_empty()) {
            let bare = entry.trim_start_matches('[').trim_end_matches(']');
            if let Ok(net) = bare.parse::<IpNet>() {
                hosts.nets.push(net.trunc());
            } else if let Ok(address) = bare.parse::<IpAddr>() {
                hosts.nets.push(address.to_canonical().into());
            } else if let Ok(Host::Domain(name)) = Host::parse(entry)
                && is_host_name(&name)
            {
                hosts.names.push(name.trim_end_matches('.').to_owned());
            } else {
                return Err(AllowHostsError {
                    entry: entry.to_owned(),
                });
            }
        }
        Ok(hosts)
    }
}

impl fmt::Display for AllowHosts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nets = self.nets.iter().map(IpNet::to_string);
        let entries: Vec<String> = self.names.iter().cloned().chain(nets).collect();
        f.write_str(&entries.join(","))
    }
}

/// Whether an address belongs to the public internet: not private, local, reserved, multicast, for
/// documentation, or one that tunnels to any of these.
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => !NOT_PUBLIC_V4.iter().any(|net| net.contains(&v4)),
        IpAddr::V6(v6) => !NOT_PUBLIC_V6.iter().any(|net| net.contains(&v6)),
    }
}

/// Whether `name` consists of labels of 1 to 63 letters, digits, `-` and `_`, 253 bytes in all at most.
///
/// A trailing dot is accepted; letters beyond ASCII are not, they are written in Punycode.
pub(crate) fn is_host_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    name.len() <= 253 && name.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(a: u16, b: u16, c: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

const NOT_PUBLIC_V4: [Ipv4Net; 15] = [
    v4(0, 0, 0, 0, 8),
    v4(10, 0, 0, 0, 8),
    v4(100, 64, 0, 0, 10),
    v4(127, 0, 0, 0, 8),
    v4(169, 254, 0, 0, 16),
    v4(172, 16, 0, 0, 12),
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(192, 168, 0, 0, 16),
    v4(198, 18, 0, 0, 15),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(224, 0, 0, 0, 4),
    v4(240, 0, 0, 0, 4),
];

const NOT_PUBLIC_V6: [Ipv6Net; 13] = [
    v6(0, 0, 0, 96), // unspecified, loopback and the old IPv4-compatible addresses
    v6(0x64, 0xff9b, 0, 96),
    v6(0x64, 0xff9b, 1, 48),
    v6(0x100, 0, 0, 64),
    v6(0x2001, 0, 0, 32), // Teredo
    v6(0x2001, 0xdb8, 0, 32),
    v6(0x2002, 0, 0, 16), // 6to4
    v6(0x3fff, 0, 0, 20),
    v6(0x5f00, 0, 0, 16),
    v6(0xfc00, 0, 0, 7),
    v6(0xfe80, 0, 0, 10),
    v6(0xfec0, 0, 0, 10),
    v6(0xff00, 0, 0, 8),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn public(text: &str) -> bool {
        is_public(text.parse().unwrap())
    }

    #[test]
    fn public_addresses_are_told_from_all_others() {
        for yes in [
            "1.1.1.1",
            "8.8.8.8",
            "172.15.255.255",
            "172.32.0.0",
            "100.63.255.255",
            "2606:4700::1",
            "::ffff:8.8.8.8",
        ] {
            assert!(public(yes), "{yes}");
        }
        let no = [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.19.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::7f00:1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:a00:1::",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ];
        for no in no {
            assert!(!public(no), "{no}");
        }
    }

    #[test]
    fn lists_hold_names_addresses_and_ranges() {
        let hosts: AllowHosts = " 127.0.0.0/8,localhost, Sim\n[::1] 10.9.8.7/16"
            .parse()
            .unwrap();

        assert_eq!(
            hosts.to_string(),
            "localhost,sim,127.0.0.0/8,::1/128,10.9.0.0/16"
        );
        assert_eq!(hosts.to_string().parse(), Ok(hosts.clone()));
        assert!(hosts.allows_name("LOCALHOST."));
        assert!(!hosts.allows_name("localhost.example.com"));
        assert!(hosts.allows_address("127.9.9.9".parse().unwrap()));
        assert!(hosts.allows_address("::ffff:127.0.0.1".parse().unwrap()));
        assert!(hosts.allows_address("10.9.255.1".parse().unwrap()));
        assert!(!hosts.allows_address("10.8.0.1".parse().unwrap()));
        assert!(hosts.may_reach("8.8.8.8".parse().unwrap()));
        assert!(!hosts.may_reach("192.168.1.1".parse().unwrap()));
        assert!(AllowHosts::from_str(" ,").unwrap().is_empty());
    }

    #[test]
    fn plain_http_needs_the_host_itself_in_the_list() {
        let hosts: AllowHosts = "127.0.0.0/8,sim".parse().unwrap();

        assert!(hosts.allows(&Host::Domain("sim")));
        assert!(hosts.allows(&Host::Ipv4(Ipv4Addr::LOCALHOST)));
        assert!(!hosts.allows(&Host::Domain("localhost")));
        assert!(!hosts.allows(&Host::Ipv6(Ipv6Addr::LOCALHOST)));
    }

    #[test]
    fn entries_that_are_no_hosts_are_named_in_the_error() {
        for bad in [
            "http://sim",
            "10.0.0.0/33",
            "a b/c",
            "-x",
            "sim:8080",
            "*.corp",
            "..",
            "10.0.0.256",
        ] {
            let error = AllowHosts::from_str(bad).unwrap_err();
            assert!(bad.contains(&error.entry), "{bad}: {error}");
        }
    }
}
