use super::*;

fn map(headers: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::default();
    for (name, value) in headers {
        map.append(name.as_bytes(), value.as_bytes()).expect("there is room");
    }
    map
}

fn shown(map: &HeaderMap) -> String {
    let lines = map
        .iter()
        .map(|(name, value)| format!("{}: {}", String::from_utf8_lossy(name), String::from_utf8_lossy(value)));
    lines.collect::<Vec<_>>().join(", ")
}

#[test]
fn set_replaces_the_first_and_removes_the_rest() {
    let mut headers = map(&[("X-A", "1"), ("b", "2"), ("x-a", "3"), ("X-a", "4")]);
    headers.set(b"x-A", b"9").expect("there is room");
    assert_eq!(shown(&headers), "X-A: 9, b: 2");
    headers.set(b"c", b"").expect("there is room");
    assert_eq!(shown(&headers), "X-A: 9, b: 2, c: ");
}

#[test]
fn get_combines() {
    let headers = map(&[("a", "1"), ("b", "2"), ("A", ""), ("a", "3")]);
    assert_eq!(headers.get(b"A").as_deref(), Some(&b"1, , 3"[..]));
    assert_eq!(headers.get(b"c"), None);
    assert!(matches!(headers.get(b"b"), Some(Cow::Borrowed(b"2"))));
}

#[test]
fn remove_takes_all_of_a_name() {
    let mut headers = map(&[("a", "1"), ("b", "2"), ("A", "3")]);
    headers.remove(b"a");
    assert_eq!(shown(&headers), "b: 2");
    headers.remove(b"c");
    assert_eq!(headers.len(), 1);
}

#[test]
fn cookies_are_not_combined() {
    let headers = map(&[("Set-Cookie", "b"), ("x", "1"), ("set-cookie", "a"), ("X", "2"), ("a", "")]);
    assert_eq!(shown(&headers.sorted(false)), "a: , set-cookie: b, set-cookie: a, x: 1, 2");
    assert_eq!(shown(&headers.sorted(true)), "a: , set-cookie: b, a, x: 1, 2");
    assert_eq!(headers.sorted(true).len(), 3);
}

#[test]
fn what_is_replaced_does_not_pile_up() {
    let mut headers = map(&[("keep", "this")]);
    let long = vec![b'x'; 1000];
    for _ in 0..10_000 {
        headers.set(b"again", &long).expect("there is room");
    }
    assert!(headers.buffer.len() < 20_000, "{} bytes are kept", headers.buffer.len());
    assert_eq!(headers.get(b"keep").as_deref(), Some(&b"this"[..]));
    assert_eq!(headers.get(b"again").as_deref(), Some(&long[..]));
}

#[test]
fn a_list_has_a_bound() {
    let mut headers = HeaderMap::default();
    let long = vec![b'x'; MAX_BYTES / 2];
    headers.append(b"a", &long).expect("there is room");
    assert!(headers.append(b"b", &long).is_err());
    assert_eq!(headers.len(), 1);
}

#[test]
fn values_are_normalized() {
    let ranges = |value: &str| normalized(value.as_bytes()).ok().map(|(from, to)| value[from..to].to_owned());
    assert_eq!(ranges(" \t\r\n x y \n").as_deref(), Some("x y"));
    assert_eq!(ranges("   ").as_deref(), Some(""));
    assert_eq!(ranges("").as_deref(), Some(""));
    assert_eq!(ranges("a\nb"), None);
    assert_eq!(ranges("a\0"), None);
}

#[test]
fn names_are_tokens() {
    for name in ["a", "X-A", "!#$%&'*+-.^_`|~09"] {
        assert!(is_token(name.as_bytes()), "{name}");
    }
    for name in ["", "a b", "a:", "\u{e9}", "a\0", "(", "\x7f"] {
        assert!(!is_token(name.as_bytes()), "{name}");
    }
}
