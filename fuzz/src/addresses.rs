//! Rules about peers, and addresses in a configuration and in URLs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bulkhead_supervisor::net::{
    address::{Address, Destination},
    peers::PeerFilter,
};

/// The first byte chooses: an address of the configuration, a host of a URL, or rules and an address to be judged. Of the rules,
/// one a line up to an empty one, those with a `!` before them deny; the address is the bytes behind that.
pub fn addresses(bytes: &[u8]) {
    let Some((choice, rest)) = bytes.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    match choice % 4 {
        0 => configured(&text, u16::from(*choice)),
        1 => host(&text, u16::from(*choice)),
        _ => {
            let end = rest.windows(2).position(|window| window == b"\n\n").unwrap_or(rest.len());
            let rules = String::from_utf8_lossy(&rest[..end]);
            let address = rest.get(end + 2..).unwrap_or_default();
            let address = match (address.first_chunk::<16>(), address.first_chunk::<4>()) {
                (Some(v6), _) => IpAddr::from(*v6),
                (None, Some(v4)) => IpAddr::from(*v4),
                _ => return,
            };
            judge(&rules, address);
        }
    }
}

fn configured(text: &str, default_port: u16) {
    match Address::parse(text, default_port) {
        Ok(Address::One(to)) => {
            // What it says of itself means the same, but for a machine that is called as the prefixes are.
            if !matches!(&to, Destination::Host { name, .. } if name == "unix" || name == "unix-abstract") {
                assert_eq!(Address::parse(&to.to_string(), 0), Ok(Address::One(to)));
            }
        }
        Ok(Address::Any { .. }) => assert!(text.starts_with('*')),
        Err(error) => assert!(!error.to_string().is_empty(), "refused without a word"),
    }
}

fn host(text: &str, port: u16) {
    // As URLs have it.
    let Ok(authority) = text.parse::<http::uri::Authority>() else { return };
    match Destination::of_host(authority.host(), port) {
        Destination::Ip(address) => {
            assert_eq!(address.port(), port);
            let bare = authority.host().trim_start_matches('[').trim_end_matches(']');
            assert_eq!(bare.parse(), Ok(address.ip()));
        }
        Destination::Host { name, port: its } => {
            assert!(name == authority.host() && its == port);
            // No name is an address that would not be judged as one.
            assert!(name.parse::<IpAddr>().is_err());
        }
        other => panic!("{text}: {other}"),
    }
}

/// The forms of IPv6 that packets for an address of IPv4 may be sent by.
fn embeddings(address: Ipv4Addr) -> [Ipv6Addr; 6] {
    let bits = u128::from(address.to_bits());
    let v6 = |high: u128, low: u128| Ipv6Addr::from_bits(high << 64 | low);
    [
        address.to_ipv6_mapped(),
        // NAT64, 6to4, Teredo, ISATAP, translated.
        v6(0x64_ff9b << 32, bits),
        v6(0x2002 << 48 | bits << 16, 1),
        v6(0x2001 << 48, !bits & 0xffff_ffff),
        v6(0x2a00 << 48, 0x5efe << 32 | bits),
        v6(0, 0xffff << 48 | bits),
    ]
}

fn judge(rules: &str, address: IpAddr) {
    let (deny, allow): (Vec<&str>, Vec<&str>) =
        rules.lines().filter(|rule| !rule.is_empty()).take(16).partition(|rule| rule.starts_with('!'));
    let deny: Vec<&str> = deny.into_iter().map(|rule| &rule[1..]).collect();
    let filter = |allow: &[&str], deny: &[&str]| PeerFilter::new(allow.iter().copied(), deny.iter().copied());
    let made = match filter(&allow, &deny) {
        Ok(made) => made,
        Err(error) => {
            assert!(!error.to_string().is_empty(), "refused without a word");
            return;
        }
    };
    let allows = made.allows(address);
    // To the kernel it is the same one.
    assert_eq!(made.allows(address.to_canonical()), allows, "{address}");
    if let IpAddr::V4(v4) = address {
        assert_eq!(made.allows(v4.to_ipv6_mapped().into()), allows, "{address}");
    }
    // What a rule takes away no other denial gives back, and nothing is open that no rule opens.
    for (index, _) in deny.iter().enumerate() {
        let fewer: Vec<&str> =
            deny.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, rule)| *rule).collect();
        let fewer = filter(&allow, &fewer).expect("rules that were read");
        assert!(fewer.allows(address) || !allows, "{address} is opened by a denial");
    }
    assert!(!filter(&[], &deny).expect("rules that were read").allows(address), "{address} is open without a rule");
    // The narrowest range there is decides, unless it is about an address that is none of a peer.
    let itself = format!("{}/{}", address.to_canonical(), if address.to_canonical().is_ipv4() { 32 } else { 128 });
    let mut denied = deny.clone();
    denied.push(&itself);
    assert!(!filter(&allow, &denied).expect("rules that were read").allows(address), "{address} is denied itself");
    // Names alone: no form of an address leads where the address itself may not be connected to.
    if let IpAddr::V4(v4) = address
        && !allows
        && allow.iter().chain(&deny).all(|rule| !rule.contains('/'))
    {
        for form in embeddings(v4) {
            assert!(!made.allows(form.into()), "{form} is {v4}");
        }
    }
}
