// SPDX-License-Identifier: Apache-2.0

// usage: round tcp|ssl://HOST:PORT [CA]: a round by rust-mqtt, a client without heap or operating
// system, in MQTT 5, and embedded-tls, the same for TLS 1.3: four kilobytes of memory, and a record's,
// four messages under way at most. Every QoS in order, topic aliases, retained messages, a will, and
// what waits for a kept session.

use embedded_io_async::{ErrorKind, ErrorType, Read, Write};
use embedded_tls::pki::CertVerifier;
use embedded_tls::{
    Aes128GcmSha256, Certificate, CryptoProvider, CryptoRngCore, TlsClock, TlsConfig, TlsConnection,
    TlsContext, TlsError, TlsVerifier,
};
use rust_mqtt::buffer::BumpBuffer;
use rust_mqtt::client::event::Event;
use rust_mqtt::client::options::{
    ConnectOptions, DisconnectOptions, PublicationOptions, SubscriptionOptions, TopicReference,
    WillOptions,
};
use rust_mqtt::config::{KeepAlive, SessionExpiryInterval};
use rust_mqtt::types::{IdentifiedQoS, MqttBinary, MqttString, QoS, TopicFilter, TopicName};
use rand_core::OsRng;
use std::collections::VecDeque;
use std::future::Future;
use std::net::TcpStream;
use std::num::NonZero;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

const COUNT: usize = 50;
const LIMIT: Duration = Duration::from_secs(20);
const MEMORY: usize = 4096;
const RECORD: usize = 16640;
const UNDER_WAY: usize = 4;
const EVERY: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

/// Blocks inside of read and write, so that a future is ready when it is first asked.
struct Socket(TcpStream);

fn failed(why: impl std::fmt::Debug) -> ErrorKind {
    eprintln!("{why:?}");
    ErrorKind::Other
}

impl ErrorType for Socket {
    type Error = ErrorKind;
}

impl Read for Socket {
    async fn read(&mut self, to: &mut [u8]) -> Result<usize, ErrorKind> {
        std::io::Read::read(&mut self.0, to).map_err(failed)
    }
}

impl Write for Socket {
    async fn write(&mut self, from: &[u8]) -> Result<usize, ErrorKind> {
        std::io::Write::write(&mut self.0, from).map_err(failed)
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        Ok(())
    }
}

struct Clock;

impl TlsClock for Clock {
    fn now() -> Option<u64> {
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map(|since| since.as_secs()).ok()
    }
}

/// Trusts one authority, and shows no certificate of its own.
struct Trust<'a> {
    random: OsRng,
    verifier: CertVerifier<'a, Aes128GcmSha256, Clock, MEMORY>,
}

impl CryptoProvider for Trust<'_> {
    type CipherSuite = Aes128GcmSha256;
    type Signature = Vec<u8>;

    fn rng(&mut self) -> impl CryptoRngCore {
        &mut self.random
    }

    fn verifier(&mut self) -> Result<&mut impl TlsVerifier<Aes128GcmSha256>, TlsError> {
        Ok(&mut self.verifier)
    }
}

enum Wire {
    Plain(Socket),
    Tls(TlsConnection<'static, Socket, Aes128GcmSha256>),
}

impl ErrorType for Wire {
    type Error = ErrorKind;
}

impl Read for Wire {
    async fn read(&mut self, to: &mut [u8]) -> Result<usize, ErrorKind> {
        match self {
            Wire::Plain(socket) => socket.read(to).await,
            Wire::Tls(tls) => tls.read(to).await.map_err(failed),
        }
    }
}

impl Write for Wire {
    async fn write(&mut self, from: &[u8]) -> Result<usize, ErrorKind> {
        match self {
            Wire::Plain(socket) => socket.write(from).await,
            Wire::Tls(tls) => tls.write(from).await.map_err(failed),
        }
    }

    async fn flush(&mut self) -> Result<(), ErrorKind> {
        match self {
            Wire::Plain(socket) => socket.flush().await,
            Wire::Tls(tls) => tls.flush().await.map_err(failed),
        }
    }
}

fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits for something else than the wire"),
    }
}

fn value(number: usize) -> String {
    format!("value {number}")
}

fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::new(MqttString::from_str(text).unwrap()).unwrap()
}

fn name(text: &str) -> TopicName<'_> {
    TopicName::new(MqttString::from_str(text).unwrap()).unwrap()
}

struct Place {
    address: String,
    ca: Option<Vec<u8>>,
    base: String,
}

impl Place {
    fn connect(&self) -> Wire {
        let socket = TcpStream::connect(&self.address).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        socket.set_nodelay(true).unwrap();
        let Some(ca) = &self.ca else { return Wire::Plain(Socket(socket)) };
        let mut tls = TlsConnection::new(
            Socket(socket), Box::leak(Box::new([0; RECORD])), Box::leak(Box::new([0; MEMORY])));
        let config = TlsConfig::new().with_server_name("localhost");
        let verifier = CertVerifier::new(Certificate::X509(&ca[..]));
        now(tls.open(TlsContext::new(&config, Trust { random: OsRng, verifier }))).expect("TLS");
        Wire::Tls(tls)
    }
}

type Client = rust_mqtt::client::Client<
    'static, 'static, Wire, BumpBuffer<'static>, 1, UNDER_WAY, 1, 1, 1, 2, 2>;

struct Peer {
    client: Client,
    present: bool,
    arrived: VecDeque<String>,
}

impl Peer {
    fn new(place: &Place, id: &str, kept: bool, will: Option<&str>) -> Peer {
        let memory = Box::leak(Box::new([0; MEMORY]));
        let mut client = Client::new(Box::leak(Box::new(BumpBuffer::new(memory))));
        let mut options = ConnectOptions::new()
            .keep_alive(KeepAlive::Seconds(NonZero::new(30).unwrap()));
        if kept {
            let seconds = NonZero::new(600).unwrap();
            options = options.session_expiry_interval(SessionExpiryInterval::Seconds(seconds));
        } else {
            options = options.clean_start();
        }
        if let Some(topic) = will {
            let payload = MqttBinary::try_from("gone").unwrap();
            options = options.will(WillOptions::new(name(topic), payload).at_least_once().retain());
        }
        let id = format!("{}-{id}", place.base);
        let id = MqttString::from_str(&id).unwrap();
        let present = now(client.connect(place.connect(), &options, Some(id))).unwrap().session_present;
        Peer { client, present, arrived: VecDeque::new() }
    }

    /// True when what was asked for before has come to its end.
    fn poll(&mut self) -> bool {
        // SAFETY: of the event before this one nothing is left.
        unsafe { self.client.buffer_mut().reset() };
        match now(self.client.poll()).unwrap() {
            Event::Publish(one) => {
                let qos = match one.identified_qos {
                    IdentifiedQoS::AtMostOnce => 0,
                    IdentifiedQoS::AtLeastOnce(_) => 1,
                    IdentifiedQoS::ExactlyOnce(_) => 2,
                };
                let text = String::from_utf8_lossy(&one.message);
                self.arrived.push_back(format!("{text} {qos} {}", one.retain));
                false
            }
            Event::Duplicate(_) => panic!("a message came twice"),
            Event::PublishRejected(one) => panic!("{one:?}"),
            Event::Suback(one) => {
                assert!(one.reason_code.is_success(), "{one:?}");
                true
            }
            Event::Pingresp | Event::PublishAcknowledged(_) | Event::PublishComplete(_) => true,
            _ => false,
        }
    }

    fn finish(&mut self) {
        while !self.poll() {}
    }

    fn subscribe(&mut self, text: &str, qos: QoS) {
        let options = SubscriptionOptions::new().qos(qos);
        now(self.client.subscribe(filter(text), &options)).unwrap();
        self.finish();
    }

    fn publish_to(&mut self, topic: TopicReference<'_>, value: &str, qos: QoS, retain: bool) {
        let mut options = PublicationOptions::new(topic).qos(qos);
        if retain {
            options = options.retain();
        }
        now(self.client.publish(&options, value.into())).unwrap();
        if qos != QoS::AtMostOnce {
            self.finish();
        }
    }

    fn publish(&mut self, topic: &str, value: &str, qos: QoS, retain: bool) {
        self.publish_to(TopicReference::Name(name(topic)), value, qos, retain);
    }

    fn next(&mut self, wanted: &str) {
        while self.arrived.is_empty() {
            self.poll();
        }
        assert_eq!(self.arrived.pop_front().unwrap(), wanted);
    }

    fn end(mut self) {
        now(self.client.ping()).unwrap();
        self.finish();
        assert!(self.arrived.is_empty(), "{:?}", self.arrived);
        now(self.client.disconnect(&DisconnectOptions::new())).unwrap();
    }
}

fn every_qos(place: &Place) {
    let mut peer = Peer::new(place, "all", false, None);
    for (number, qos) in EVERY.into_iter().enumerate() {
        let topic = format!("{}/{number}", place.base);
        peer.subscribe(&format!("{topic}/+"), qos);
        for i in 0..COUNT {
            peer.publish(&format!("{topic}/a"), &value(i), qos, false);
        }
        for i in 0..COUNT {
            peer.next(&format!("{} {number} false", value(i)));
        }
    }
    peer.end();
}

fn aliases(place: &Place) {
    let topic = format!("{}/alias", place.base);
    let mut peer = Peer::new(place, "alias", false, None);
    let alias = NonZero::new(1).unwrap();
    peer.subscribe(&topic, QoS::AtLeastOnce);
    peer.publish_to(TopicReference::Mapping(name(&topic), alias), "first", QoS::AtLeastOnce, false);
    for i in 0..COUNT {
        peer.publish_to(TopicReference::Alias(alias), &value(i), QoS::AtLeastOnce, false);
    }
    peer.next("first 1 false");
    for i in 0..COUNT {
        peer.next(&format!("{} 1 false", value(i)));
    }
    peer.end();
}

fn retained(place: &Place) {
    let topic = format!("{}/kept", place.base);
    let mut peer = Peer::new(place, "retained", false, None);
    peer.publish(&topic, "old", QoS::AtLeastOnce, true);
    peer.publish(&topic, "new", QoS::AtLeastOnce, true);
    peer.subscribe(&format!("{topic}/#"), QoS::AtLeastOnce);
    peer.next("new 1 true");
    peer.end();
}

fn wills(place: &Place) {
    let topic = format!("{}/will", place.base);
    let mut watcher = Peer::new(place, "watcher", false, None);
    watcher.subscribe(&format!("{topic}/+"), QoS::AtLeastOnce);
    Peer::new(place, "orderly", false, Some(&format!("{topic}/never"))).end();
    drop(Peer::new(place, "lost", false, Some(&format!("{topic}/lost")))); // and its socket
    watcher.next("gone 1 false");
    watcher.end();
}

fn kept(place: &Place) {
    let topic = format!("{}/later", place.base);
    let mut first = Peer::new(place, "kept", true, None);
    assert!(!first.present);
    first.subscribe(&topic, QoS::ExactlyOnce);
    first.end();
    let mut publisher = Peer::new(place, "publisher", false, None);
    for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for i in 0..COUNT {
            publisher.publish(&topic, &value(i), qos, false);
        }
    }
    publisher.end();
    let mut again = Peer::new(place, "kept", true, None);
    assert!(again.present);
    for number in 1..3 {
        for i in 0..COUNT {
            again.next(&format!("{} {number} false", value(i)));
        }
    }
    again.end();
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let (scheme, address) = words[1].split_once("://").expect("a URL");
    let place = Place {
        address: address.to_string(),
        ca: match scheme {
            "tcp" => None,
            "ssl" => Some(std::fs::read(&words[2]).unwrap()),
            other => panic!("{other}"),
        },
        base: format!("mcu-{}", now.as_nanos()),
    };
    every_qos(&place);
    aliases(&place);
    retained(&place);
    wills(&place);
    kept(&place);
    println!("ok");
}
