//! Certificates and keys, good and bad, made when they are needed: none lies in the repository.

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, PKCS_RSA_SHA256, RsaKeySize,
    date_time_ymd,
};

/// An authority that certificates are issued by.
pub struct Authority {
    certificate: Certificate,
    issuer: Issuer<'static, KeyPair>,
    /// The certificates between it and the one that is trusted, its own first.
    between: String,
}

/// A certificate and its key, in PEM.
#[derive(Clone)]
pub struct Identity {
    /// The certificate, and those of the authorities between it and the one that is trusted.
    pub chain: String,
    /// PKCS #8.
    pub key: String,
}

/// When a certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Today.
    Now,
    /// Until some years ago.
    Over,
    /// From a year that will not come soon.
    NotYet,
}

fn parameters(name: &str, hosts: &[&str]) -> CertificateParams {
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut parameters = CertificateParams::new(hosts).expect("names of hosts");
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

impl Authority {
    /// One whose certificate is its own.
    pub fn new(name: &str) -> Authority {
        let (mut parameters, key) = (parameters(name, &[]), key());
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = parameters.self_signed(&key).expect("a certificate");
        Authority { certificate, issuer: Issuer::new(parameters, key), between: String::new() }
    }

    /// One whose certificate is of this one.
    pub fn intermediate(&self, name: &str) -> Authority {
        let (mut parameters, key) = (parameters(name, &[]), key());
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = parameters.signed_by(&key, &self.issuer).expect("a certificate");
        let between = certificate.pem() + &self.between;
        Authority { certificate, issuer: Issuer::new(parameters, key), between }
    }

    /// Its certificate, in PEM.
    pub fn pem(&self) -> String {
        self.certificate.pem()
    }

    /// A certificate for these names and addresses.
    pub fn issue(&self, hosts: &[&str]) -> Identity {
        self.issue_at(hosts, Validity::Now)
    }

    /// The same, good at some time.
    pub fn issue_at(&self, hosts: &[&str], validity: Validity) -> Identity {
        self.sign(hosts, validity, &key())
    }

    /// The same, for an RSA key of 2048 bits.
    pub fn issue_rsa(&self, hosts: &[&str]) -> Identity {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).expect("a key");
        self.sign(hosts, Validity::Now, &key)
    }

    fn sign(&self, hosts: &[&str], validity: Validity, key: &KeyPair) -> Identity {
        let mut parameters = parameters("leaf", hosts);
        set_validity(&mut parameters, validity);
        let certificate = parameters.signed_by(key, &self.issuer).expect("a certificate");
        Identity { chain: certificate.pem() + &self.between, key: key.serialize_pem() }
    }
}

fn set_validity(parameters: &mut CertificateParams, validity: Validity) {
    match validity {
        Validity::Now => {}
        Validity::Over => parameters.not_after = date_time_ymd(2020, 1, 1),
        Validity::NotYet => parameters.not_before = date_time_ymd(2400, 1, 1),
    }
}

/// A certificate for these names and addresses that nobody vouches for but itself.
pub fn self_signed(hosts: &[&str]) -> Identity {
    let (parameters, key) = (parameters("self-signed", hosts), key());
    Identity { chain: parameters.self_signed(&key).expect("a certificate").pem(), key: key.serialize_pem() }
}
