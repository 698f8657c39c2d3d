//! Opening a mailbox, in the one order in which nothing can fall between.

use std::sync::Arc;

use sealpost_core::Address;

use super::feed::Services;
use super::inbox::Inbox;
use super::mailbox::{Mailbox, Watching};
use crate::store::StoreError;

/// Opens a mailbox, of which a stream hears by `inbox`; `None` if there is none.
pub(super) async fn open(
    services: Arc<Services>,
    address: Address,
    inbox: Inbox,
) -> Result<Option<Box<Mailbox>>, StoreError> {
    // First listen, then raise the generation, then read: whatever is queued in between is heard or read.
    let registration = services.hub.register(address, Arc::new(inbox));
    let watch = services.store.watch(address);
    let watching = Watching::new(services.store.clone(), address);
    watch.await?;
    let session = crate::store::SessionId(rand::random());
    let Some(opening) = services.store.open(address, session).await? else {
        return Ok(None);
    };
    let open = services.metrics.delivery.mailboxes.hold();
    Ok(Some(Box::new(Mailbox::new(address, session, opening, registration, watching, open))))
}
