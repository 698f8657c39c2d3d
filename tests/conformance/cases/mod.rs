//! The promises, one by one.

pub(crate) mod acknowledging;
pub(crate) mod appending;
pub(crate) mod expiring;
pub(crate) mod keys;
pub(crate) mod mailboxes;
pub(crate) mod marks;
pub(crate) mod opening;
pub(crate) mod reading;
pub(crate) mod retrying;
pub(crate) mod telling;
