use super::*;

/// What an address is, by the names that rules have for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    /// `public` and `network` open it.
    Public,
    /// `private` and `network` open it.
    Private,
    /// `private` and `local` open it.
    Local,
    /// No name opens it.
    None,
}

use Class::{Local, None, Private, Public};

/// The reference has the same of all that hold no other address (observed), but for those of RFC 8215.
const ADDRESSES: &[(&str, Class)] = &[
    ("0.0.0.0", Local),
    ("0.0.0.1", Public),
    ("1.0.0.1", Public),
    ("8.8.8.8", Public),
    ("9.255.255.255", Public),
    ("10.0.0.0", Private),
    ("10.255.255.255", Private),
    ("11.0.0.0", Public),
    ("100.63.255.255", Public),
    ("100.64.0.0", Private),
    ("100.127.255.255", Private),
    ("100.128.0.0", Public),
    ("126.255.255.255", Public),
    ("127.0.0.1", Local),
    ("127.255.255.255", Local),
    ("128.0.0.0", Public),
    ("169.253.255.255", Public),
    ("169.254.0.1", Private),
    ("169.254.169.254", Private),
    ("169.255.0.0", Public),
    ("172.15.255.255", Public),
    ("172.16.0.1", Private),
    ("172.31.255.255", Private),
    ("172.32.0.0", Public),
    ("192.0.0.1", None),
    ("192.0.0.255", None),
    ("192.0.1.0", Public),
    ("192.0.2.1", Public),
    ("192.88.99.1", Public),
    ("192.168.0.1", Private),
    ("192.168.255.255", Private),
    ("192.169.0.0", Public),
    ("198.18.0.1", Public),
    ("198.51.100.7", Public),
    ("203.0.113.9", Public),
    ("223.255.255.255", Public),
    ("224.0.0.1", None),
    ("239.255.255.255", None),
    ("240.0.0.1", None),
    ("255.255.255.254", None),
    ("255.255.255.255", None),
    ("::", Local),
    ("::1", Local),
    ("::2", Public),
    ("::7f00:1", Local),
    ("::a00:1", Private),
    ("::ffff:127.0.0.1", Local),
    ("::ffff:0.0.0.0", Local),
    ("::ffff:10.0.0.1", Private),
    ("::ffff:169.254.169.254", Private),
    ("::ffff:8.8.8.8", Public),
    ("::ffff:224.0.0.1", None),
    ("::ffff:0:127.0.0.1", Local),
    ("::ffff:0:8.8.8.8", Public),
    ("64:ff9b::7f00:1", Local),
    ("64:ff9b::a9fe:a9fe", Private),
    ("64:ff9b::808:808", Public),
    ("64:ff9b::e000:1", None),
    ("64:ff9b:1::7f00:1", Local),
    ("64:ff9b:1::808:808", Private),
    ("100::1", Public),
    ("2001::1", None),
    ("2001:0:7f00:1::80ff:fffe", None),
    ("2001:1ff:ffff::1", None),
    ("2001:200::1", Public),
    ("2001:db8::1", Public),
    ("2001:20::1", None),
    ("2002:7f00:1::1", Local),
    ("2002:a00:1::1", Private),
    ("2002:c0a8:101::1", Private),
    ("2002:808:808::1", Public),
    ("2606:4700::1111", Public),
    ("2606:4700::5efe:a00:1", Private),
    ("2606:4700::200:5efe:808:808", Public),
    ("3fff::1", Public),
    ("fbff::1", Public),
    ("fc00::1", Private),
    ("fdff:ffff::1", Private),
    ("fe00::1", Public),
    ("fe80::1", Private),
    ("febf::1", Private),
    ("fec0::1", Public),
    ("ff02::1", None),
    ("ff0e::1", None),
];

fn filter(allow: &[&str], deny: &[&str]) -> PeerFilter {
    PeerFilter::new(allow.iter().copied(), deny.iter().copied()).unwrap_or_else(|error| panic!("{error}"))
}

fn allows(allow: &[&str], deny: &[&str], address: &str) -> bool {
    filter(allow, deny).allows(address.parse().expect("an address"))
}

#[test]
fn each_address_is_opened_by_the_names_that_it_goes_by() {
    assert!(ADDRESSES.len() >= 60);
    let names = ["public", "network", "private", "local"].map(|name| (name, filter(&[name], &[])));
    for (address, class) in ADDRESSES {
        let parsed: IpAddr = address.parse().expect("an address");
        let opened: Vec<&str> =
            names.iter().filter(|(_, filter)| filter.allows(parsed)).map(|(name, _)| *name).collect();
        let expected: &[&str] = match class {
            Public => &["public", "network"],
            Private => &["network", "private"],
            Local => &["private", "local"],
            None => &[],
        };
        assert_eq!(opened, expected, "{address}");
        assert!(!filter(&[], &[]).allows(parsed), "{address}: nothing is open by default");
    }
}

#[test]
fn an_address_that_embeds_another_is_never_more_open_than_that_one() {
    for (v4, _) in ADDRESSES.iter().filter(|(address, _)| address.contains('.') && !address.contains(':')) {
        let v4: Ipv4Addr = v4.parse().expect("an address");
        let bits = u128::from(v4.to_bits());
        for (form, address) in [
            ("mapped", 0xffff_0000_0000 | bits),
            ("translated", 0xffff_0000_0000_0000 | bits),
            ("NAT64", 0x64_ff9b << 96 | bits),
            ("local NAT64", 0x64_ff9b_0001 << 80 | bits),
            ("6to4", 0x2002 << 112 | bits << 80 | 1),
            ("Teredo", 0x2001_0000 << 96 | (!bits & 0xffff_ffff)),
            ("ISATAP", 0x2606_4700 << 96 | 0x5efe_0000_0000 | bits),
        ] {
            let address = Ipv6Addr::from_bits(address);
            for rules in [&["public"][..], &["network"], &["8.0.0.0/8", "::/0"]] {
                for deny in [&[][..], &["8.8.0.0/16"], &["private"]] {
                    let filter = filter(rules, deny);
                    let open = rules.contains(&"::/0")
                        && filter.allows(IpAddr::V6(Ipv6Addr::new(0x2606, 0, 0, 0, 0, 0, 0, 9)));
                    // Where IPv6 is open as such, only a denial of the embedded one closes it.
                    if filter.allows(address.into()) && !open {
                        assert!(filter.allows(v4.into()), "{form} {address} with {rules:?} without {deny:?}");
                    }
                }
            }
        }
    }
}

#[test]
fn the_most_specific_range_decides() {
    for (allow, deny, address, expected) in [
        (&["127.0.0.0/8", "local"][..], &["127.0.0.1/32"][..], "127.0.0.1", false),
        (&["127.0.0.1/32"], &["127.0.0.0/8"], "127.0.0.1", true),
        (&["127.0.0.1/32"], &["127.0.0.1/32"], "127.0.0.1", false),
        (&["127.0.0.1/32"], &["local"], "127.0.0.1", true),
        (&["local"], &["local"], "127.0.0.1", false),
        (&["1.2.3.4/8"], &[], "1.9.9.9", true),
        (&["public", "10.1.0.0/16"], &[], "10.1.2.3", true),
        (&["public", "10.1.0.0/16"], &[], "10.2.2.3", false),
        (&["public"], &["8.0.0.0/8"], "8.8.8.8", false),
        (&["public"], &["8.0.0.0/8"], "9.9.9.9", true),
        (&["public", "8.8.8.8/32"], &["8.0.0.0/8"], "8.8.8.8", true),
        (&["0.0.0.0/0"], &[], "127.0.0.1", true),
        (&["0.0.0.0/0"], &[], "::1", false),
        (&["::/0"], &[], "127.0.0.1", false),
        (&["::/0"], &["fc00::/7"], "fd00::1", false),
        (&["224.0.0.1/32"], &[], "224.0.0.1", true),
        (&["224.0.0.0/4"], &[], "224.0.0.1", true),
        (&["224.0.0.0/3"], &[], "224.0.0.1", false),
        (&["private", "public"], &[], "10.0.0.1", true),
        (&["private", "public"], &[], "127.0.0.1", true),
        (&["private", "public"], &["local"], "127.0.0.1", false),
        (&["private", "public"], &["local"], "10.0.0.1", true),
        (&["private", "public"], &[], "8.8.8.8", true),
        (&["public", "local"], &[], "127.0.0.1", true),
        (&["public", "local"], &[], "10.0.0.1", false),
        (&["public", "127.0.0.0/4"], &[], "127.0.0.1", true),
        (&["public", "127.0.0.0/4"], &["127.0.0.0/8"], "127.0.0.1", false),
        (&["public", "0.0.0.0/0"], &[], "127.0.0.1", true),
        (&["network", "local"], &[], "127.0.0.1", true),
        (&["network", "local"], &["local"], "127.0.0.1", false),
        (&["network", "public"], &[], "10.0.0.1", true),
        (&["public", "240.0.0.0/4"], &[], "240.0.0.1", true),
        (&["public", "240.0.0.0/4"], &[], "255.255.255.255", false),
        (&["public", "private"], &[], "64:ff9b::a00:1", true),
        (&["public", "10.0.0.0/8"], &["64:ff9b::/96"], "64:ff9b::a00:1", false),
        (&["public", "10.0.0.0/8"], &[], "fe80::5efe:a00:1", false),
        (&["::ffff:10.0.0.0/104"], &[], "10.9.9.9", true),
        (&["::ffff:10.0.0.0/104"], &[], "::ffff:10.9.9.9", true),
        (&["public", "64:ff9b::/96"], &[], "64:ff9b::a00:1", false),
        (&["public", "64:ff9b::a00:1/128"], &[], "64:ff9b::a00:1", true),
        (&["10.0.0.0/8"], &[], "64:ff9b::a00:1", true),
        (&["::/0"], &["10.0.0.0/8"], "2002:a00:1::1", false),
        (&["127.0.0.0/08"], &[], "127.0.0.1", true),
    ] {
        assert_eq!(allows(allow, deny, address), expected, "{allow:?} without {deny:?}: {address}");
    }
}

#[test]
fn what_is_no_rule_is_named() {
    for text in [
        "1.2.3.4/33",
        "1.2.3.4",
        "foo",
        "::1/129",
        "",
        "[::1]/128",
        "127.0.0.0/-1",
        "1.2.3.4/+8",
        "1.2.3/8",
        "/8",
        "1.2.3.4/",
    ] {
        for (allow, deny) in [(text, "local"), ("local", text)] {
            let error = PeerFilter::new([allow], [deny]).expect_err(text);
            assert_eq!(error.to_string(), format!("invalid CIDR: {text}"));
        }
    }
    for (name, instead) in [("public", "private"), ("network", "local")] {
        let error = PeerFilter::new(["local"], [name]).expect_err(name);
        assert_eq!(error.to_string(), format!("don't deny '{name}', allow '{instead}' instead"));
    }
}

#[test]
fn unix_sockets_are_opened_by_their_names_alone() {
    let of = |allow: &[&str], deny: &[&str]| {
        let filter = filter(allow, deny);
        (filter.allows_unix(), filter.allows_unix_abstract())
    };
    assert_eq!(of(&["public", "private", "local", "network"], &[]), (false, false));
    assert_eq!(of(&["unix"], &[]), (true, false));
    assert_eq!(of(&["unix-abstract"], &[]), (false, true));
    assert_eq!(of(&["unix", "unix-abstract"], &["unix"]), (false, true));
    assert_eq!(of(&["unix", "unix-abstract"], &["unix-abstract"]), (true, false));
}
