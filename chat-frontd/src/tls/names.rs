//! The names in a certificate, for people: its hosts and its issuer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rustls::pki_types::CertificateDer;

/// In DER form: the extension that names hosts, and the common name of a subject.
const SUBJECT_ALT_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x11];
const COMMON_NAME: &[u8] = &[0x06, 0x03, 0x55, 0x04, 0x03];

const BOOLEAN: u8 = 0x01;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

/// The host names and addresses in a certificate.
pub fn names(certificate: &CertificateDer<'_>) -> Vec<String> {
    after(certificate, SUBJECT_ALT_NAME)
        .find_map(alt_names)
        .unwrap_or_default()
}

/// The common name in a distinguished name, or a description if there is none.
pub fn common_name(name: &[u8]) -> String {
    let value = after(name, COMMON_NAME).find_map(|rest| Some(element(rest)?.content));
    match value {
        Some(value) => String::from_utf8_lossy(value).into_owned(),
        None => "an issuer without a common name".to_owned(),
    }
}

fn alt_names(mut rest: &[u8]) -> Option<Vec<String>> {
    let mut value = element(rest)?;
    if value.tag == BOOLEAN {
        rest = value.rest;
        value = element(rest)?;
    }
    let list = element(value.of(OCTET_STRING)?)?.of(SEQUENCE)?;
    let mut names = Vec::new();
    let mut rest = list;
    while let Some(name) = element(rest) {
        match name.tag {
            DNS_NAME => names.push(String::from_utf8_lossy(name.content).into_owned()),
            IP_ADDRESS => names.extend(address(name.content).map(|it| it.to_string())),
            _ => {}
        }
        rest = name.rest;
    }
    Some(names)
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(Ipv4Addr::from(bytes).into());
    }
    let bytes = <[u8; 16]>::try_from(bytes).ok()?;
    Some(Ipv6Addr::from(bytes).into())
}

/// The bytes after each occurrence of `pattern`.
fn after<'a>(bytes: &'a [u8], pattern: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let places = bytes.windows(pattern.len()).enumerate();
    let places = places.filter(move |(_, window)| *window == pattern);
    places.map(move |(at, _)| &bytes[at + pattern.len()..])
}

struct Element<'a> {
    tag: u8,
    content: &'a [u8],
    rest: &'a [u8],
}

impl<'a> Element<'a> {
    fn of(&self, tag: u8) -> Option<&'a [u8]> {
        (self.tag == tag).then_some(self.content)
    }
}

/// The DER element at the beginning of `bytes`.
fn element(bytes: &[u8]) -> Option<Element<'_>> {
    let (&[tag, length], rest) = bytes.split_first_chunk()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81..=0x84 => {
            let (length, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            let length = length
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte));
            (length, rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some(Element { tag, content, rest })
}

#[cfg(test)]
mod tests {
    use webpki::EndEntityCert;

    use super::*;

    fn certificate(names: &[&str]) -> CertificateDer<'static> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        made.cert.der().clone()
    }

    #[test]
    fn names_and_addresses_are_shown() {
        for expected in [
            &["chat.example.org", "203.0.113.10", "2001:db8::7"][..],
            &["*.example.org"],
            &[],
        ] {
            assert_eq!(names(&certificate(expected)), expected);
        }
        let many: Vec<String> = (0..100).map(|n| format!("host{n}.example.org")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert_eq!(names(&certificate(&many)), many);
    }

    #[test]
    fn common_name_is_found() {
        let der = certificate(&["a.example"]);
        let parsed = EndEntityCert::try_from(&der).unwrap();
        assert_eq!(common_name(parsed.issuer()), "rcgen self signed cert");
        assert_eq!(common_name(b""), "an issuer without a common name");
    }

    #[test]
    fn truncated_certificate_has_no_names() {
        let whole = certificate(&["chat.example.org", "203.0.113.10"]);
        for end in 0..whole.len() {
            let cut = CertificateDer::from(whole[..end].to_vec());
            assert!(names(&cut).len() <= 2);
        }
    }
}
