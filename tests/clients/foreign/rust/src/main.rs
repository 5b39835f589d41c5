// SPDX-License-Identifier: Apache-2.0

// usage: round mqtt3|mqtt5 tcp|ssl|ws|wss://HOST:PORT[/PATH] [CA]: a round by rumqttc of that version:
// every QoS in order, retained messages, wills, shared subscriptions, and what waits for a kept session.

use rumqttc::{TlsConfiguration, Transport};
use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{channel, Receiver};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

const COUNT: usize = 50;
const LIMIT: Duration = Duration::from_secs(20);

fn value(number: usize) -> String {
    format!("value {number}")
}

struct Place {
    url: String,
    scheme: String,
    host: String,
    port: u16,
    ca: Vec<u8>,
    base: String,
}

impl Place {
    fn new(url: &str, ca: Option<&String>) -> Place {
        let (scheme, rest) = url.split_once("://").expect("a URL");
        let (host, port) = rest.split('/').next().unwrap().split_once(':').expect("a port");
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        Place {
            url: url.to_string(),
            scheme: scheme.to_string(),
            host: host.to_string(),
            port: port.parse().unwrap(),
            ca: ca.map(|path| std::fs::read(path).unwrap()).unwrap_or_default(),
            base: format!("rust-{}", now.as_nanos()),
        }
    }

    fn host(&self) -> &str {
        if self.scheme.starts_with("ws") { &self.url } else { &self.host }
    }

    fn transport(&self) -> Transport {
        let tls = TlsConfiguration::Simple { ca: self.ca.clone(), alpn: None, client_auth: None };
        match self.scheme.as_str() {
            "tcp" => Transport::Tcp,
            "ssl" => Transport::Tls(tls),
            "ws" => Transport::Ws,
            "wss" => Transport::Wss(tls),
            other => panic!("{other}"),
        }
    }
}

// The same words in both versions, with types of their own.
macro_rules! version {
    ($name:ident, $client:path, $options:path, $event:path, $packet:path, $qos:path, $code:path,
     $setup:expr, $arrived:expr) => {
        mod $name {
            use super::*;
            use $client as Client;
            use $code as Code;
            use $event as Event;
            use $options as MqttOptions;
            use $packet as Packet;
            use $qos as QoS;

            const EVERY: [QoS; 3] = [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce];

            pub struct Peer {
                client: Client,
                thread: std::thread::JoinHandle<()>,
                crashes: Arc<AtomicBool>,
                present: bool,
                granted: Receiver<Code>,
                done: Receiver<()>,
                pub arrived: Receiver<String>,
            }

            impl Peer {
                pub fn new(place: &Place, id: &str, kept: bool, will: Option<&str>) -> Peer {
                    let mut options = MqttOptions::new(
                        format!("{}-{id}", place.base), place.host(), place.port);
                    options.set_transport(place.transport());
                    $setup(&mut options, kept, will);
                    let (client, mut connection) = Client::new(options, 10);
                    let crashes = Arc::new(AtomicBool::new(false));
                    let (to_connected, connected) = channel();
                    let (to_granted, granted) = channel();
                    let (to_done, done) = channel();
                    let (to_arrived, arrived) = channel();
                    let must_crash = crashes.clone();
                    let thread = std::thread::spawn(move || {
                        for event in connection.iter() {
                            if must_crash.load(Ordering::SeqCst) {
                                break;
                            }
                            let Ok(event) = event else { break };
                            let Event::Incoming(packet) = event else { continue };
                            match packet {
                                Packet::ConnAck(one) => to_connected.send(one.session_present).unwrap(),
                                Packet::SubAck(one) => to_granted.send(one.return_codes[0].clone()).unwrap(),
                                Packet::PubAck(_) | Packet::PubComp(_) => to_done.send(()).unwrap(),
                                Packet::Publish(one) => {
                                    let text: String = $arrived(&one);
                                    to_arrived.send(text).unwrap_or(());
                                }
                                _ => (),
                            }
                        }
                    });
                    let present = connected.recv_timeout(LIMIT).expect("a CONNACK");
                    Peer { client, thread, crashes, present, granted, done, arrived }
                }

                fn subscribe(&self, filter: &str, qos: QoS) {
                    self.client.subscribe(filter, qos).unwrap();
                    let code = self.granted.recv_timeout(LIMIT).expect("a SUBACK");
                    assert_eq!(code, Code::Success(qos));
                }

                fn publish(&self, topic: &str, value: &str, qos: QoS, retain: bool) {
                    self.client.publish(topic, qos, retain, value.to_string()).unwrap();
                    if qos != QoS::AtMostOnce {
                        self.done.recv_timeout(LIMIT).expect("an acknowledgement");
                    }
                }

                fn next(&self, wanted: &str) {
                    assert_eq!(self.arrived.recv_timeout(LIMIT).expect(wanted), wanted);
                }

                fn end(self) {
                    self.client.disconnect().unwrap();
                    self.thread.join().unwrap();
                }

                /// The connection ends without a DISCONNECT.
                fn crash(self) {
                    self.crashes.store(true, Ordering::SeqCst);
                    self.client.publish("wake", QoS::AtMostOnce, false, "").unwrap();
                    self.thread.join().unwrap();
                }
            }

            fn every_qos(place: &Place) {
                let peer = Peer::new(place, "all", false, None);
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

            fn retained(place: &Place) {
                let peer = Peer::new(place, "retained", false, None);
                let topic = format!("{}/kept", place.base);
                peer.publish(&topic, "old", QoS::AtLeastOnce, true);
                peer.publish(&topic, "new", QoS::AtLeastOnce, true);
                peer.subscribe(&format!("{topic}/#"), QoS::AtLeastOnce);
                peer.next("new 1 true");
                peer.publish(&topic, "", QoS::AtLeastOnce, true);
                peer.next(" 1 false");
                peer.end();
            }

            fn wills(place: &Place) {
                let watcher = Peer::new(place, "watcher", false, None);
                watcher.subscribe(&format!("{}/will/+", place.base), QoS::AtLeastOnce);
                Peer::new(place, "orderly", false, Some(&format!("{}/will/never", place.base))).end();
                Peer::new(place, "lost", false, Some(&format!("{}/will/lost", place.base))).crash();
                watcher.next("gone 1 false");
                watcher.publish(&format!("{}/will/end", place.base), "end", QoS::AtLeastOnce, false);
                watcher.next("end 1 false");
                watcher.end();
            }

            fn shared(place: &Place) {
                let members = ["s1", "s2", "s3"].map(|id| Peer::new(place, id, false, None));
                for member in &members {
                    member.subscribe(&format!("$share/g/{}/shared", place.base), QoS::AtLeastOnce);
                }
                for i in 0..COUNT {
                    members[0].publish(&format!("{}/shared", place.base), &value(i), QoS::AtLeastOnce, false);
                }
                let mut all = HashSet::new();
                let until = SystemTime::now() + LIMIT;
                while all.len() < COUNT && SystemTime::now() < until {
                    for member in &members {
                        if let Ok(got) = member.arrived.recv_timeout(Duration::from_millis(5)) {
                            assert!(all.insert(got.clone()), "{got} came twice");
                        }
                    }
                }
                assert_eq!(all.len(), COUNT);
                for member in members {
                    member.end();
                }
            }

            fn kept(place: &Place) {
                let topic = format!("{}/later", place.base);
                let first = Peer::new(place, "kept", true, None);
                assert!(!first.present);
                first.subscribe(&topic, QoS::ExactlyOnce);
                first.end();
                let publisher = Peer::new(place, "publisher", false, None);
                for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
                    for i in 0..COUNT {
                        publisher.publish(&topic, &value(i), qos, false);
                    }
                }
                publisher.end();
                let again = Peer::new(place, "kept", true, None);
                assert!(again.present);
                for number in 1..3 {
                    for i in 0..COUNT {
                        again.next(&format!("{} {number} false", value(i)));
                    }
                }
                again.end();
            }

            pub fn round(place: &Place) {
                every_qos(place);
                retained(place);
                wills(place);
                shared(place);
                kept(place);
            }
        }
    };
}

version!(
    three, rumqttc::Client, rumqttc::MqttOptions, rumqttc::Event, rumqttc::Packet, rumqttc::QoS,
    rumqttc::SubscribeReasonCode,
    |options: &mut MqttOptions, kept: bool, will: Option<&str>| {
        options.set_clean_session(!kept);
        if let Some(topic) = will {
            options.set_last_will(rumqttc::LastWill::new(topic, "gone", QoS::AtLeastOnce, true));
        }
    },
    |one: &rumqttc::Publish| {
        format!("{} {} {}", String::from_utf8_lossy(&one.payload), one.qos as u8, one.retain)
    }
);

version!(
    five, rumqttc::v5::Client, rumqttc::v5::MqttOptions, rumqttc::v5::Event,
    rumqttc::v5::mqttbytes::v5::Packet, rumqttc::v5::mqttbytes::QoS,
    rumqttc::v5::mqttbytes::v5::SubscribeReasonCode,
    |options: &mut MqttOptions, kept: bool, will: Option<&str>| {
        options.set_clean_start(!kept);
        options.set_session_expiry_interval(Some(if kept { 600 } else { 0 }));
        if let Some(topic) = will {
            options.set_last_will(rumqttc::v5::mqttbytes::v5::LastWill::new(
                topic, "gone", QoS::AtLeastOnce, true, None));
        }
    },
    |one: &rumqttc::v5::mqttbytes::v5::Publish| {
        format!("{} {} {}", String::from_utf8_lossy(&one.payload), one.qos as u8, one.retain)
    }
);

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let place = Place::new(&words[2], words.get(3));
    rustls::crypto::ring::default_provider().install_default().expect("the only one");
    match words[1].as_str() {
        "mqtt3" => three::round(&place),
        "mqtt5" => five::round(&place),
        other => panic!("{other}"),
    }
    println!("ok");
}
