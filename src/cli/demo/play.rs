//! What happens in the demo, step by step.

use std::time::Instant;

use sealpost_client::{Contact, Draft};
use serde_json::{Value, json};

use super::super::inspect::{ABSENT, HEAD, row};
use super::super::output::Failure;
use super::super::teller::rounded_ms;
use super::super::text::{abbreviate, counted, hex, hour, short, size};
use super::cast::{Person, caught_up, next_from, refused};
use super::in_time;
use super::stage::Stage;
use super::table::{self, Story};
use crate::store::{Inspection, QueuedEntry};

const LETTER: &str = "Meet me at the pier at six?";
const ANSWER: &str = "I am on my way!";

/// Plays it all; the report is for programs.
pub(super) async fn play(stage: &mut Stage, picture: Draft) -> Result<Value, Failure> {
    let alice = appear(stage, "Alice").await?;
    let bob = appear(stage, "Bob").await?;
    let bob_for_alice = invite(stage, &bob, &alice).await?;

    let letter = Draft::text(LETTER);
    stage.teller.more("Bob is offline now.");
    alice.send(&bob_for_alice, letter.clone(), true).await?;
    stage.teller.step(format!("Alice sends “{LETTER}”, with her card: Bob does not know her yet."));
    alice.send(&bob_for_alice, picture.clone(), false).await?;
    let picture_size = counted(picture.body.len() as u64, "byte");
    stage.teller.step(format!("Alice sends {}, {picture_size}.", picture.name));
    let held = stage.inspect(bob.address()).await?;
    show(stage, &held);

    stage.teller.restart();
    let mut bobs = bob.receive();
    let (first, introduced) = next_from(&mut bobs, &alice).await?;
    let alice_for_bob = introduced.ok_or_else(|| Failure::new("Alice's card did not come with her message"))?;
    bob.know(&alice_for_bob);
    let read_letter = first.message.clone();
    first.acknowledge().await.map_err(|error| refused(&error))?;
    let (second, _) = next_from(&mut bobs, &alice).await?;
    let read_picture = second.message.clone();
    second.acknowledge().await.map_err(|error| refused(&error))?;
    caught_up(&mut bobs).await?;
    stage.teller.step("Bob comes online and reads both, in order. Both are proven to be from Alice.");

    let mut alices = alice.receive();
    caught_up(&mut alices).await?;
    stage.teller.step("Alice stays connected: nothing waits for her.");
    let answer = Draft::text(ANSWER);
    let sent = Instant::now();
    bob.send(&alice_for_bob, answer.clone(), false).await?;
    let (third, _) = next_from(&mut alices, &bob).await?;
    let live = rounded_ms(sent.elapsed());
    stage.teller.step(format!("Bob answers “{ANSWER}”. Alice reads it {live:.1} ms after he began to seal it."));
    let held_answer = stage.inspect(alice.address()).await?;
    let read_answer = third.message.clone();
    third.acknowledge().await.map_err(|error| refused(&error))?;

    in_time("acknowledging", async {
        bobs.close().await;
        alices.close().await;
        stage.until_empty(bob.address()).await?;
        stage.until_empty(alice.address()).await
    })
    .await??;
    stage.teller.step("Both acknowledge: the relay's store holds no envelope any more.");

    let [held_letter, held_picture] = exactly(held)?;
    let [held_answer] = exactly(held_answer)?;
    let stories = [
        Story { title: "text", wrote: letter, held: held_letter, read: read_letter, sender: alice.address() },
        Story { title: "file", wrote: picture, held: held_picture, read: read_picture, sender: alice.address() },
        Story { title: "answer", wrote: answer, held: held_answer, read: read_answer, sender: bob.address() },
    ];
    conclude(stage, &stories, live)
}

async fn appear(stage: &mut Stage, name: &'static str) -> Result<Person, Failure> {
    let home = stage.directory.path().join("profiles");
    let person = in_time("making a mailbox", Person::appear(name, &home, &stage.options)).await??;
    stage.cast.push(person.clone());
    stage.teller.step(format!("{name} makes keys and a mailbox, {}.", short(&person.address())));
    Ok(person)
}

async fn invite(stage: &mut Stage, host: &Person, guest: &Person) -> Result<Contact, Failure> {
    let link = host.device.invite(host.relay.host()).ok_or_else(|| Failure::new("there is no delivery key"))?;
    let contact = guest.relay.accept(&link).await.map_err(|error| refused(&error))?;
    guest.know(&contact);
    stage.teller.step(format!("{} gives {} an invite; she fetches his card and checks it:", host.name, guest.name));
    stage.teller.more(&stage.teller.dim(&abbreviate(&link.to_link(), 44, 6)));
    Ok(contact)
}

/// What the relay holds while Bob is away.
fn show(stage: &Stage, held: &Inspection) {
    let teller = &stage.teller;
    teller.heading("All that the relay holds of Bob and these messages, read from its store:");
    let about = &held.description;
    for grant in &about.grants {
        let hash = abbreviate(&hex(grant.key.as_bytes()), 16, 4);
        teller.line(&format!("  who may write: whoever has the key with the SHA-256 {hash}"));
    }
    teller.line(&format!("  his card, {}: public keys, signed by him", counted(about.card.len() as u64, "byte")));
    teller.line(&format!("  he was last here in the hour of {}", hour(about.last_seen)));
    let (messages, bytes) = (about.queued_messages, about.queued_bytes);
    teller.line(&format!("  {} of {} together:\n", counted(messages, "envelope"), size(bytes)));
    teller.line(&format!("  {}", teller.dim(HEAD)));
    for entry in &held.entries {
        teller.line(&format!("  {}", row(entry)));
    }
    teller.line(&format!("\n{}\n", teller.dim(ABSENT)));
}

/// As many envelopes as were sent.
fn exactly<const N: usize>(held: Inspection) -> Result<[QueuedEntry; N], Failure> {
    let count = held.entries.len();
    held.entries.try_into().map_err(|_| Failure::new(format!("the relay held {count} envelopes, not {N}")))
}

fn conclude(stage: &Stage, stories: &[Story], live: f64) -> Result<Value, Failure> {
    let teller = &stage.teller;
    teller.heading("Side by side:");
    table::head(teller);
    stories.iter().for_each(|story| story.tell(teller));
    let all = stories.iter().all(Story::holds);
    let total = teller.total();
    if !all {
        return Err(Failure::new("what was read is not what was written").remedy("this is a fault: please report it"));
    }
    let verdict = teller.good("Everything that was read is what was written, byte for byte.");
    teller.line(&format!("{verdict} It took {:.2} s.", total.as_secs_f64()));
    Ok(json!({
        "ok": all,
        "steps": teller.steps(),
        "messages": stories.iter().map(Story::to_json).collect::<Vec<_>>(),
        "live_delivery_ms": live,
        "store_empty": true,
        "total_ms": rounded_ms(total),
    }))
}
