//! The TLS front: bytes from untrusted clients, and from clients that did the handshake and then send what they like.
//! What is read is what was said, or its beginning; nothing is read of what was tampered with.

use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};

use chat_frontd::tls::identity::{Identity, provider};
use chat_frontd::tls::server_config::server_config;
use chat_frontd::tls::tickets::TicketKey;
use chat_frontd::worker::fuzzing::TlsServer;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};
use zeroize::Zeroizing;

use crate::choices::Choices;

/// Heads of records and messages.
pub const WORDS: &[&[u8]] = &[
    b"\x16\x03\x01",
    b"\x16\x03\x03\x02\x00\x01",
    b"\x14\x03\x03\x00\x01\x01",
    b"\x15\x03\x03\x00\x02\x01\x00",
    b"\x17\x03\x03\x40\x00",
    b"\x17\x03\x03\xff\xff",
    b"\x00\x2b\x00\x03\x02\x03\x04",
    b"\x00\x29",
    b"\x00\x2a\x00\x00",
];

/// Flights of a handshake there may be.
const MAX_FLIGHTS: usize = 10;
/// Type and version, which stand before a record's length.
const RECORD_TYPE_BYTES: usize = 3;
/// More than a server says to an untrusted client before it gives up.
const MAX_SAID_BYTES: usize = 64 * 1024;

struct Configs {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

/// The first choice says whether the handshake is done, then comes what is sent.
pub fn run(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    match choices.below(4) {
        0 => strange(choices),
        1 => Dialogue::begin().spoil_handshake(choices),
        _ => Dialogue::begin().talk(choices),
    }
}

fn configs() -> &'static Configs {
    static CONFIGS: OnceLock<Configs> = OnceLock::new();
    CONFIGS.get_or_init(|| match make_configs() {
        Ok(configs) => configs,
        Err(error) => panic!("TLS cannot be set up: {error}"),
    })
}

fn make_configs() -> Result<Configs, Box<dyn std::error::Error>> {
    let made = rcgen::generate_simple_self_signed(["chat.example".to_owned()])?;
    let identity = Identity {
        certificates_pem: made.cert.pem().into_bytes(),
        key_pem: Zeroizing::new(made.signing_key.serialize_pem().into_bytes()),
    };
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone())?;
    let client = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Configs {
        server: server_config(&identity, &[TicketKey([9; 32])])?,
        client: Arc::new(client),
    })
}

fn new_server() -> TlsServer {
    match TlsServer::new(configs().server.clone()) {
        Ok(server) => server,
        Err(error) => panic!("TLS cannot be set up: {error}"),
    }
}

/// Somebody who never did a handshake.
fn strange(mut choices: Choices<'_>) {
    let mut server = new_server();
    let mut plain = Vec::new();
    let mut said = 0;
    let piece_bytes = 1 + usize::from(choices.byte());
    for piece in choices.rest().chunks(piece_bytes) {
        let outcome = server.receive(&mut piece.to_vec(), &mut plain);
        said += server.take_outgoing().len();
        if outcome.is_err() {
            break;
        }
    }
    assert!(plain.is_empty(), "something was read from a stranger");
    assert!(said <= MAX_SAID_BYTES);
}

/// A client that knows TLS, and the server.
struct Dialogue {
    client: ClientConnection,
    server: TlsServer,
    /// What the client said, and what the server read of it.
    said: Vec<u8>,
    read: Vec<u8>,
    /// What the server said, and what the client read of it.
    answered: Vec<u8>,
    heard: Vec<u8>,
}

impl Dialogue {
    fn begin() -> Self {
        let name = ServerName::try_from("chat.example");
        let client = name.map_err(|error| error.to_string()).and_then(|name| {
            ClientConnection::new(configs().client.clone(), name).map_err(|error| error.to_string())
        });
        match client {
            Ok(client) => Self {
                client,
                server: new_server(),
                said: Vec::new(),
                read: Vec::new(),
                answered: Vec::new(),
                heard: Vec::new(),
            },
            Err(error) => panic!("a client cannot be set up: {error}"),
        }
    }

    /// What the client has to send.
    fn client_flight(&mut self) -> Vec<u8> {
        let mut flight = Vec::new();
        while self.client.wants_write() {
            // Writing to a vector cannot fail.
            let _ = self.client.write_tls(&mut flight);
        }
        flight
    }

    /// The server takes bytes; whether it goes on. What it read is what was said, as far as it goes.
    fn deliver(&mut self, bytes: &[u8], piece_bytes: usize) -> bool {
        let mut is_well = true;
        for piece in bytes.chunks(piece_bytes.max(1)) {
            let mut piece = piece.to_vec();
            is_well = self.server.receive(&mut piece, &mut self.read).is_ok();
            if !is_well {
                break;
            }
        }
        assert!(
            self.said.starts_with(&self.read),
            "what was read was not said"
        );
        let answer = self.server.take_outgoing();
        let mut answer = &answer[..];
        while !answer.is_empty() {
            if self.client.read_tls(&mut answer).is_err() {
                return false;
            }
            let Ok(state) = self.client.process_new_packets() else {
                return false;
            };
            let mut heard = vec![0; state.plaintext_bytes_to_read()];
            if self.client.reader().read_exact(&mut heard).is_ok() {
                self.heard.extend(heard);
            }
        }
        is_well
    }

    /// A handshake in which one byte of one flight is another one, or some are missing.
    fn spoil_handshake(mut self, mut choices: Choices<'_>) {
        let (spoilt, piece_bytes) = (choices.below(3), usize::from(choices.byte()));
        let (at, change) = (choices.number() as usize, choices.byte());
        for number in 0..MAX_FLIGHTS {
            let mut flight = self.client_flight();
            if number == spoilt && !flight.is_empty() {
                let at = at % flight.len();
                match change {
                    0 => flight.truncate(at),
                    change => flight[at] ^= change,
                }
                flight.extend_from_slice(choices.rest());
            }
            if flight.is_empty() || !self.deliver(&flight, piece_bytes) {
                break;
            }
        }
        assert!(self.read.is_empty());
    }

    fn shake_hands(&mut self) {
        for _ in 0..MAX_FLIGHTS {
            let flight = self.client_flight();
            assert!(self.deliver(&flight, usize::MAX), "a handshake failed");
            if !self.client.is_handshaking() && !self.server.is_handshaking() {
                return;
            }
        }
        panic!("a handshake has no end");
    }

    fn talk(mut self, mut choices: Choices<'_>) {
        self.shake_hands();
        while !choices.is_over() {
            let piece_bytes = 1 + usize::from(choices.byte());
            let is_well = match choices.below(8) {
                0..=2 => self.client_says(choices.some(), 1 + choices.below(3), piece_bytes),
                3 | 4 => self.server_says(choices.some(), piece_bytes),
                5 => {
                    self.client.refresh_traffic_keys().is_ok()
                        && self.client_says(choices.some(), 1, piece_bytes)
                }
                6 => {
                    self.client.send_close_notify();
                    let flight = self.client_flight();
                    let is_well = self.deliver(&flight, piece_bytes);
                    assert!(!is_well || self.server.has_close_notify());
                    false
                }
                _ => {
                    self.tamper(&mut choices, piece_bytes);
                    false
                }
            };
            if !is_well {
                break;
            }
            assert_eq!(self.read, self.said);
            assert_eq!(self.heard, self.answered);
        }
        // Whatever happened, the server can say goodbye or says that it cannot.
        let _ = self.server.send_close_notify();
        self.server.take_outgoing();
    }

    fn client_says(&mut self, plain: &[u8], times: usize, piece_bytes: usize) -> bool {
        let plain = plain.repeat(times * times * times * 16);
        if self.client.writer().write_all(&plain).is_err() {
            return false;
        }
        self.said.extend_from_slice(&plain);
        let flight = self.client_flight();
        assert!(
            self.deliver(&flight, piece_bytes * 16),
            "what was said was refused"
        );
        true
    }

    fn server_says(&mut self, plain: &[u8], piece_bytes: usize) -> bool {
        match self.server.say(plain) {
            Ok(taken) => self.answered.extend_from_slice(&plain[..taken]),
            Err(error) => panic!("nothing can be said: {error}"),
        }
        self.deliver(&[], piece_bytes)
    }

    /// Something else than the client's next record comes.
    fn tamper(&mut self, choices: &mut Choices<'_>, piece_bytes: usize) {
        if self.client.writer().write_all(b"who\n").is_err() {
            return;
        }
        self.said.extend_from_slice(b"who\n");
        let before = self.read.len();
        let mut flight = self.client_flight();
        let at = choices.below(flight.len().min(256));
        match choices.byte() {
            0 => flight = choices.some().to_vec(),
            change => flight[at] ^= change,
        }
        self.deliver(&flight, piece_bytes);
        // Type and version of a record say nothing in TLS 1.3: what is in it is the same.
        if at >= RECORD_TYPE_BYTES {
            assert_eq!(self.read.len(), before, "what was tampered with was read");
        }
    }
}
