//! Recognises unsupported kinds of private keys by their object identifiers.

/// Object identifiers in DER form, and the kinds of key.
const KINDS: [(&[u8], &str); 12] = [
    (
        &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x38, 0x04, 0x01],
        "DSA",
    ),
    (&[0x06, 0x03, 0x2b, 0x65, 0x71], "Ed448"),
    (&[0x06, 0x03, 0x2b, 0x65, 0x6e], "X25519, which cannot sign"),
    (&[0x06, 0x03, 0x2b, 0x65, 0x6f], "X448, which cannot sign"),
    (
        &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a],
        "ECDSA on secp256k1",
    ),
    (
        &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x21],
        "ECDSA on P-224",
    ),
    (
        &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x23],
        "ECDSA on P-521",
    ),
    (
        &[0x06, 0x09, 0x2b, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01],
        "ECDSA on a Brainpool curve",
    ),
    (
        &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x01],
        "ECDSA on P-192",
    ),
    (
        &[
            0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a,
        ],
        "RSA for PSS only",
    ),
    (
        &[
            0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x03, 0x01,
        ],
        "Diffie-Hellman",
    ),
    (
        &[0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x03],
        "ML-DSA or SLH-DSA",
    ),
];

const RSA: &[u8] = &[
    0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01,
];

/// The kind of the key in a block with this label, if it is known to be unsupported.
pub fn unsupported_kind(label: &str, der: &[u8]) -> Option<&'static str> {
    let has = |identifier: &[u8]| {
        der.windows(identifier.len())
            .any(|bytes| bytes == identifier)
    };
    match label {
        "DSA PRIVATE KEY" => Some("DSA"),
        "OPENSSH PRIVATE KEY" => Some("one of SSH"),
        _ => {
            let known = KINDS.iter().find(|(identifier, _)| has(identifier));
            let other_rsa = label == "RSA PRIVATE KEY" || has(RSA);
            let rsa = other_rsa.then_some("RSA with too few or too many bits");
            known.map(|(_, name)| *name).or(rsa)
        }
    }
}
