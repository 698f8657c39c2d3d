//! Mosquitto, an MQTT broker.

use super::program::{find, version};
use super::system::{Hello, Recipe, System};
use crate::problem::Problem;

/// CONNECT with a clean session, without a name; CONNACK, accepted (MQTT 3.1.1, sections 3.1 and 3.2).
const HELLO: Hello = Hello { ask: b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00", answer: b"\x20\x02\x00\x00" };

/// Starts one without sessions, and waits until it answers.
///
/// # Errors
/// Where there is none, or it does not start.
pub async fn start() -> Result<System, Problem> {
    let program = find("mosquitto")?;
    // It has no flag for its version alone.
    let (_, version) = version(&program, "-h").await?;
    System::start(Recipe {
        name: "Mosquitto",
        version,
        durability: "memory; a snapshot every autosave_interval (its default, 30 minutes) and when it leaves: \
                     a crash loses what came since the last one, sessions too",
        program,
        flags: &["-c"],
        template: include_str!("../../peers/mosquitto.conf"),
        values: &[],
        hello: HELLO,
    })
    .await
}
