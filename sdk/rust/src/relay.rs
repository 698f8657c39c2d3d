//! A handle to one relay.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use sealpost_core::{Audience, Card, IdentityKey, Invite, Operation, RelayHost};
use sealpost_proto::v1::delivery_service_client::DeliveryServiceClient;
use sealpost_proto::v1::mailbox_service_client::MailboxServiceClient;
use sealpost_proto::v1::{self, FetchCardRequest};
use tonic::transport::Channel;
use tonic::{Response, Status};

use crate::link::{Dialer, Link};
use crate::proofs::{Prover, SecondChances, copied};
use crate::retry::{Retry, answer_within};
use crate::{Contact, Error, RelayOptions, Timeouts, clock};

/// A handle to one relay; clones share its connections.
///
/// It has one connection for anonymous calls (sending, fetching cards) and others for what an owner does, so that the
/// relay cannot tell by the connection who sends. All owners of one handle share a connection: for mailboxes that the
/// relay must not link, use a handle each.
#[derive(Clone)]
pub struct Relay {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) host: RelayHost,
    pub(crate) timeouts: Timeouts,
    pub(crate) dialer: Arc<Dialer>,
    pub(crate) prover: Prover,
    anonymous: Link,
    owner: Link,
}

impl Relay {
    /// Prepares for a relay. No connection is made before it is needed.
    ///
    /// # Errors
    /// [`Error::Options`].
    pub fn connect(options: impl Into<RelayOptions>) -> Result<Self, Error> {
        let options = options.into();
        let dialer = Arc::new(Dialer::new(&options)?);
        let audience = options.audience.unwrap_or_else(|| options.host.audience());
        let inner = Inner {
            host: options.host,
            timeouts: options.timeouts,
            anonymous: Link::new(dialer.clone()),
            owner: Link::new(dialer.clone()),
            dialer,
            prover: Prover::new(audience),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The relay as invites name it.
    pub fn host(&self) -> &RelayHost {
        &self.inner.host
    }

    /// The name that proofs are made for.
    pub fn audience(&self) -> &Audience {
        self.inner.prover.audience()
    }

    /// Makes a contact of an invite: fetches the card and checks it against the address.
    ///
    /// # Errors
    /// [`Error::OtherRelay`] for an invite to another relay, [`Error::NoCard`], [`Error::Card`], and those of the
    /// connection.
    pub async fn accept(&self, invite: &Invite) -> Result<Contact, Error> {
        let card = self.fetch_card(invite).await?;
        Ok(Contact::new(invite, card, clock::now())?)
    }

    /// Fetches a contact's card anew. `true` if there was a newer one.
    ///
    /// # Errors
    /// As [`Relay::accept`].
    pub async fn refresh(&self, contact: &mut Contact) -> Result<bool, Error> {
        let card = self.fetch_card(&contact.invite()).await?;
        Ok(contact.learn(card, clock::now())?)
    }

    async fn fetch_card(&self, invite: &Invite) -> Result<Card, Error> {
        if invite.relay != self.inner.host {
            return Err(Error::OtherRelay);
        }
        let request = FetchCardRequest {
            address: copied(invite.address.as_bytes()),
            delivery_key: copied(invite.delivery_key.as_bytes()),
        };
        let mut retry = Retry::new(self.inner.timeouts.operation);
        loop {
            let fetched = self.anonymously(async |mut service| service.fetch_card(request.clone()).await).await;
            match fetched {
                Ok(answer) if answer.card.is_empty() => return Err(Error::NoCard),
                Ok(answer) => return Ok(Card::parse(&answer.card)?),
                Err(error) => retry.pause(error).await?,
            }
        }
    }

    /// One try of an anonymous call.
    pub(crate) async fn anonymously<T, F>(
        &self,
        call: impl FnOnce(DeliveryServiceClient<Channel>) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let service = DeliveryServiceClient::new(self.inner.anonymous.channel());
        let answer = answer_within(self.inner.timeouts.answer, call(service)).await;
        if matches!(answer, Err(Error::TimedOut)) {
            self.inner.anonymous.renew();
        }
        answer
    }

    /// An owner's call with its retries; each try has a proof of its own. The call also learns whether an earlier try
    /// may have succeeded without its answer having come.
    pub(crate) async fn as_owner<T, F>(
        &self,
        key: &IdentityKey,
        operation: Operation,
        mut call: impl FnMut(MailboxServiceClient<Channel>, v1::Proof) -> F,
    ) -> (Result<T, Error>, bool)
    where
        F: Future<Output = Result<Response<T>, Status>>,
    {
        let mut retry = Retry::new(self.inner.timeouts.operation);
        let mut chances = SecondChances::default();
        let mut undecided = false;
        loop {
            let service = MailboxServiceClient::new(self.inner.owner.channel());
            let proof = self.inner.prover.prove(key, operation);
            let error = match answer_within(self.inner.timeouts.answer, call(service, proof)).await {
                Ok(answer) => return (Ok(answer), undecided),
                Err(error) => error,
            };
            if matches!(error, Error::TimedOut) {
                self.inner.owner.renew();
            }
            if self.inner.prover.may_try_again(&error, &mut chances) {
                continue;
            }
            undecided |= error.is_retryable();
            if let Err(error) = retry.pause(error).await {
                return (Err(error), undecided);
            }
        }
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("host", &self.inner.host).finish_non_exhaustive()
    }
}
