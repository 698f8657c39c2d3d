//! From the store to the owner: who has which mailbox open here, and what each stream sends next.
//!
//! - [`Hub`] hears what the store tells and puts it into the `Inbox` of each open mailbox. It never waits.
//! - [`Feed`] is one owner's stream: it opens mailboxes, reads what waits, passes on what comes, within the owner's
//!   credit, and says when it has caught up (P2 to P5).
//! - [`Acknowledger`] gathers the acknowledgements of all streams and has the store forget the envelopes.
//!
//! Nothing here knows of gRPC; `api` turns a [`Feed`]'s [`Output`] into messages.

mod acknowledger;
mod bell;
mod credit;
mod feed;
mod few;
mod hub;
mod inbox;
mod leave;
mod lines;
mod mailbox;
mod opening;
mod unwritten;

pub use acknowledger::Acknowledger;
pub use credit::Credit;
pub use feed::{Feed, FeedConfig, FeedError, Input, Output, Services};
pub use hub::Hub;
pub use leave::{Drain, Ending};
