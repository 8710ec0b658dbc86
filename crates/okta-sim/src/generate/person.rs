//! People of the generated org, each with one machine in one place.

use crate::generate::kinds::Origin;
use crate::generate::shape::{
    Actor, Client, Device, Geolocation, Ip, Place, SecurityContext, UserAgent,
};
use crate::generate::world::okta_id;
use crate::rng::Rng;

const FIRST: [&str; 12] = [
    "Ada", "Björn", "Chiara", "Dmitri", "Élodie", "Fatima", "Grace", "Hiro", "Inês", "Jürgen",
    "Kofi", "Léa",
];
const LAST: [&str; 10] = [
    "Anders", "Baker", "Castro", "Dubois", "Eriksen", "Fischer", "Garcia", "Hansen", "Ito", "Jones",
];

const MACHINES: [(&str, &str, &str, &str); 5] = [
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 \
         Safari/537.36",
        "Mac OS X",
        "CHROME",
        "Computer",
    ),
    (
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/139.0.0.0 \
         Safari/537.36 Edg/139.0.0.0",
        "Windows 10",
        "EDGE",
        "Computer",
    ),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) \
         Version/18.5 Mobile/15E148 Safari/604.1",
        "iOS",
        "SAFARI",
        "Mobile",
    ),
    (
        "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
        "Linux",
        "FIREFOX",
        "Computer",
    ),
    ("python-requests/2.32.4", "Unknown", "UNKNOWN", "Unknown"),
];

const PLACES: [(Place, SecurityContext, &str); 5] = [
    place(
        ("Toronto", Some("Ontario"), "Canada", Some("M4M")),
        (43.6567, -79.34),
        64_500,
        "north",
        "192.0.2",
    ),
    place(
        (
            "Grand Rapids",
            Some("Michigan"),
            "United States",
            Some("49503"),
        ),
        (42.96, -85.65),
        64_501,
        "lakes",
        "198.51.100",
    ),
    place(
        ("München", Some("Bayern"), "Germany", Some("80331")),
        (48.1371, 11.5754),
        64_502,
        "alpen",
        "203.0.113",
    ),
    place(
        ("Singapore", None, "Singapore", None),
        (1.2897, 103.8501),
        64_503,
        "harbour",
        "198.51.100",
    ),
    place(
        ("São Paulo", Some("São Paulo"), "Brazil", Some("01000-000")),
        (-23.5505, -46.6333),
        64_504,
        "sul",
        "203.0.113",
    ),
];

const fn place(
    (city, state, country, postal_code): (
        &'static str,
        Option<&'static str>,
        &'static str,
        Option<&'static str>,
    ),
    (lat, lon): (f64, f64),
    as_number: u32,
    isp: &'static str,
    network: &'static str,
) -> (Place, SecurityContext, &'static str) {
    let geolocation = Geolocation { lat, lon };
    let context = SecurityContext {
        as_number: Some(as_number),
        as_org: Some(isp),
        isp: Some(isp),
        domain: Some("isp.example"),
        is_proxy: Some(false),
    };
    (
        Place {
            city,
            state,
            country,
            postal_code,
            geolocation,
        },
        context,
        network,
    )
}

/// Someone who works here, with one machine in one place.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) login: String,
    address: String,
    machine: usize,
    place: usize,
    located: bool,
    device_id: Option<String>,
    pub(crate) app_id: String,
    pub(crate) fingerprint: String,
}

impl Person {
    /// The `n`-th person.
    pub(crate) fn new(n: usize, rng: &mut Rng) -> Self {
        let first = FIRST.get(n % FIRST.len()).copied().unwrap_or_default();
        let last = LAST
            .get(n / FIRST.len() % LAST.len())
            .copied()
            .unwrap_or_default();
        let place = n % PLACES.len();
        let network = PLACES
            .get(place)
            .map_or("192.0.2", |(_, _, network)| network);
        Self {
            id: okta_id("00u", rng),
            name: format!("{first} {last}"),
            login: format!("user{n}.{}@example.com", last.to_lowercase()),
            address: format!("{network}.{}", rng.below(254) + 1),
            machine: n % MACHINES.len(),
            place,
            located: n.is_multiple_of(2),
            device_id: n.is_multiple_of(6).then(|| okta_id("guo", rng)),
            app_id: okta_id("0ua", rng),
            fingerprint: rng.hex(32),
        }
    }

    pub(crate) fn actor(&self) -> Actor {
        Actor {
            id: self.id.clone(),
            kind: "User",
            alternate_id: self.login.clone(),
            display_name: self.name.clone(),
            detail_entry: None,
        }
    }

    pub(crate) fn client(&self, origin: Origin) -> Client {
        // Whoever uses the API does so from a program.
        let machine = if origin == Origin::Browser {
            self.machine
        } else {
            MACHINES.len() - 1
        };
        let machine = MACHINES.get(machine);
        Client {
            user_agent: machine.map(|&(raw_user_agent, os, browser, _)| UserAgent {
                raw_user_agent,
                os,
                browser,
            }),
            zone: Some("null"),
            device: machine.map(|&(_, _, _, device)| device),
            id: None,
            ip_address: Some(self.address.clone()),
            geographical_context: self.place().filter(|_| origin == Origin::Browser),
        }
    }

    pub(crate) fn device(&self) -> Option<Device> {
        Some(Device {
            id: self.device_id.clone()?,
            name: "MacBookPro18,1",
            os_platform: "OSX",
            os_version: "15.6.0",
            managed: false,
            registered: true,
            device_integrator: None,
            disk_encryption_type: "ALL_INTERNAL_VOLUMES",
            screen_lock_type: "BIOMETRIC",
            jailbreak: None,
            secure_hardware_present: true,
        })
    }

    pub(crate) fn network(&self) -> SecurityContext {
        PLACES
            .get(self.place)
            .map(|(_, network, _)| *network)
            .unwrap_or_default()
    }

    pub(crate) fn ip(&self) -> Ip {
        let geographical_context = self.place().filter(|_| self.machine == 0);
        Ip {
            ip: self.address.clone(),
            geographical_context,
            version: "V4",
            source: None,
        }
    }

    fn place(&self) -> Option<Place> {
        // Half of the addresses are found on no map.
        PLACES
            .get(self.place)
            .map(|(place, _, _)| *place)
            .filter(|_| self.located)
    }
}
