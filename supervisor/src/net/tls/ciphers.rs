//! Lists of cipher suites in OpenSSL's notation, as far as they name suites that exist here.
//!
//! `rustls` has the suites of TLS 1.2 that exchange keys by ECDHE and encrypt with authentication, six in all. A list that asks
//! for another one is refused: it would not be offered.

use rustls::CipherSuite;

/// Suites of TLS 1.2, the preferred one first; at least one, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CipherSuites(Vec<CipherSuite>);

impl CipherSuites {
    /// The suites, by the names of the registry.
    pub fn names(&self) -> impl Iterator<Item = CipherSuite> + '_ {
        self.0.iter().copied()
    }
}

/// What is wrong with a list.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CipherListError {
    /// An item adds, removes or moves something that does not exist here.
    #[error("`{0}` names no cipher suite that exists here")]
    Unknown(String),
    /// A command behind an `@`, other than `@STRENGTH`.
    #[error("the command `{0}` is not supported; `@STRENGTH` is")]
    Command(String),
    /// Everything was removed, or nothing was added.
    #[error("no cipher suite is left")]
    Empty,
}

impl CipherListError {
    /// What exists here.
    pub const HELP: &str = "TLS 1.2 has ECDHE-{ECDSA,RSA}-{AES256-GCM-SHA384,AES128-GCM-SHA256,CHACHA20-POLY1305} here, and \
        those of TLS 1.3 are always offered; older suites do not exist in rustls";
}

/// A suite, what OpenSSL calls it, the keywords that name it among others, and the bits of its key.
struct Row(CipherSuite, &'static str, &'static [&'static str], u16);

/// The preferred one first.
const ROWS: &[Row] = &[
    Row(
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        &["ECDSA", "aECDSA", "AES", "AES256", "AESGCM"],
        256,
    ),
    Row(
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        &["ECDSA", "aECDSA", "AES", "AES128", "AESGCM"],
        128,
    ),
    Row(
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        &["ECDSA", "aECDSA", "CHACHA20"],
        256,
    ),
    Row(
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        "ECDHE-RSA-AES256-GCM-SHA384",
        &["aRSA", "AES", "AES256", "AESGCM"],
        256,
    ),
    Row(
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        "ECDHE-RSA-AES128-GCM-SHA256",
        &["aRSA", "AES", "AES128", "AESGCM"],
        128,
    ),
    Row(
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        "ECDHE-RSA-CHACHA20-POLY1305",
        &["aRSA", "CHACHA20"],
        256,
    ),
];

/// Keywords that name all of [`ROWS`].
const ALL: &[&str] = &["ALL", "DEFAULT", "HIGH", "ECDHE", "EECDH", "kECDHE", "kEECDH", "TLSv1.2", "FIPS"];

/// Keywords of OpenSSL that name nothing of [`ROWS`]: they may be taken away, not added.
const ABSENT: &[&str] = &[
    "3DES",
    "ADH",
    "AECDH",
    "aDSS",
    "AESCCM",
    "AESCCM8",
    "aNULL",
    "aPSK",
    "ARIA",
    "ARIA128",
    "ARIA256",
    "ARIAGCM",
    "CAMELLIA",
    "CAMELLIA128",
    "CAMELLIA256",
    "CBC",
    "COMPLEMENTOFALL",
    "COMPLEMENTOFDEFAULT",
    "DES",
    "DH",
    "DHE",
    "DSS",
    "EDH",
    "eNULL",
    "EXP",
    "EXPORT",
    "GOST",
    "IDEA",
    "kDHE",
    "kDHEPSK",
    "kECDHEPSK",
    "kEDH",
    "kPSK",
    "kRSA",
    "kRSAPSK",
    "kSRP",
    "LOW",
    "MD5",
    "MEDIUM",
    "NULL",
    "PSK",
    "RC2",
    "RC4",
    "RSA",
    "SEED",
    "SHA",
    "SHA1",
    "SHA256",
    "SHA384",
    "SRP",
    "SSLv2",
    "SSLv3",
    "TLSv1",
    "TLSv1.0",
];

/// Reads a list, as `openssl ciphers` does.
///
/// # Errors
///
/// It asks for something that does not exist here, or for nothing at all.
pub fn parse(list: &str) -> Result<CipherSuites, CipherListError> {
    let mut active: Vec<usize> = Vec::new();
    let mut killed = [false; ROWS.len()];
    for item in list.split([':', ',', ' ', ';']).filter(|item| !item.is_empty()) {
        if let Some(command) = item.strip_prefix('@') {
            if command != "STRENGTH" {
                return Err(CipherListError::Command(item.to_owned()));
            }
            active.sort_by_key(|row| std::cmp::Reverse(ROWS[*row].3));
            continue;
        }
        let (operator, name) = match item.as_bytes()[0] {
            operator @ (b'!' | b'-' | b'+') => (Some(operator), &item[1..]),
            _ => (None, item),
        };
        let named = rows_of(name);
        // A name that has been mistyped must not leave in what somebody wants to be rid of.
        if named.is_empty() && (operator.is_none() || !name.split('+').any(|part| ABSENT.contains(&part))) {
            return Err(CipherListError::Unknown(item.to_owned()));
        }
        match operator {
            None => {
                let more: Vec<usize> = named.into_iter().filter(|row| !active.contains(row) && !killed[*row]).collect();
                active.extend(more);
            }
            Some(b'+') => {
                let (moved, mut rest): (Vec<_>, Vec<_>) = active.iter().partition(|row| named.contains(row));
                rest.extend(moved);
                active = rest;
            }
            Some(operator) => {
                active.retain(|row| !named.contains(row));
                named.into_iter().for_each(|row| killed[row] |= operator == b'!');
            }
        }
    }
    if active.is_empty() {
        return Err(CipherListError::Empty);
    }
    Ok(CipherSuites(active.into_iter().map(|row| ROWS[row].0).collect()))
}

/// The rows that a name means, or all of several keywords with `+` between them.
fn rows_of(name: &str) -> Vec<usize> {
    let has = |row: &Row, part: &str| row.1 == part || row.2.contains(&part) || ALL.contains(&part);
    (0..ROWS.len()).filter(|row| name.split('+').all(|part| has(&ROWS[*row], part))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &str) -> Result<Vec<&'static str>, CipherListError> {
        let suites = parse(list)?;
        let name = |suite| ROWS.iter().find(|row| row.0 == suite).expect("a row").1;
        Ok(suites.names().map(name).collect())
    }

    #[test]
    fn lists_mean_what_openssl_makes_of_them() {
        let all: Vec<&str> = ROWS.iter().map(|row| row.1).collect();
        for list in
            ["ALL", "DEFAULT", "HIGH:!aNULL:!MD5", "ECDHE", "HIGH !RC4,!3DES", "EECDH+AESGCM:EECDH+CHACHA20:ALL"]
        {
            let mut names = names(list).expect(list);
            names.sort_unstable();
            let mut all = all.clone();
            all.sort_unstable();
            assert_eq!(names, all, "{list}");
        }
        let table: &[(&str, &[&str])] = &[
            ("ECDHE-RSA-AES128-GCM-SHA256", &["ECDHE-RSA-AES128-GCM-SHA256"]),
            ("CHACHA20", &["ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305"]),
            ("aRSA+AESGCM", &["ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"]),
            (
                "aRSA:+AES256",
                &["ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-AES256-GCM-SHA384"],
            ),
            (
                "aRSA:-AES:aRSA",
                &["ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256"],
            ),
            ("aRSA:!AES:aRSA", &["ECDHE-RSA-CHACHA20-POLY1305"]),
            (
                "aRSA+AES128:aRSA:@STRENGTH",
                &["ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-AES128-GCM-SHA256"],
            ),
        ];
        for (list, expected) in table {
            assert_eq!(names(list).as_deref(), Ok(*expected), "{list}");
        }
    }

    #[test]
    fn what_does_not_exist_is_refused() {
        let unknown = |name: &str| Err(CipherListError::Unknown(name.to_owned()));
        assert_eq!(names("AES128-SHA"), unknown("AES128-SHA"));
        assert_eq!(names("HIGH:kRSA"), unknown("kRSA"));
        assert_eq!(names("HIGH:!AESCGM"), unknown("!AESCGM"));
        assert_eq!(names("HIGH:DHE-RSA-AES128-GCM-SHA256"), unknown("DHE-RSA-AES128-GCM-SHA256"));
        assert_eq!(names("TLS_AES_128_GCM_SHA256"), unknown("TLS_AES_128_GCM_SHA256"));
        assert_eq!(names("ALL:@SECLEVEL=2"), Err(CipherListError::Command("@SECLEVEL=2".into())));
        for nothing in ["", ":", "ALL:!ALL", "!ALL:ALL", "-ALL"] {
            assert_eq!(names(nothing), Err(CipherListError::Empty), "{nothing}");
        }
    }

    #[test]
    fn every_row_exists_in_the_library() {
        let provider = super::super::provider();
        for Row(suite, name, ..) in ROWS {
            assert!(provider.cipher_suites.iter().any(|known| known.suite() == *suite), "{name}");
        }
        let of_tls12 = provider.cipher_suites.iter().filter(|suite| suite.tls13().is_none()).count();
        assert_eq!(of_tls12, ROWS.len(), "a suite without a row");
    }
}
