//! Whether the caller owns the mailbox.

use std::sync::Arc;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use sealpost_core::{Address, Audience, IdentityPublicKey, Nonce, Operation, Proof, ProofError, Signature, UnixTime};
use sealpost_proto::status::Failure;
use sealpost_proto::{Reason, v1};

use super::{ApiConfig, failure};
use crate::clock::Clock;
use crate::store::{NonceMark, Store};

/// Checks proofs, and that each is used once.
#[derive(Clone)]
pub(super) struct Proofs {
    config: Arc<ApiConfig>,
    store: Arc<dyn Store>,
    clock: Clock,
}

/// Nonces on their way to the store at once, for one call.
const NONCES: usize = 32;
/// From so many proofs on, their signatures are checked on a thread of their own.
const MANY: usize = 16;

impl Proofs {
    pub(super) fn new(config: Arc<ApiConfig>, store: Arc<dyn Store>, clock: Clock) -> Self {
        Self { config, store, clock }
    }

    /// The address whose owner made this proof, for this operation, for the first time.
    pub(super) async fn verify(&self, proof: Option<&v1::Proof>, operation: Operation) -> Result<Address, Failure> {
        let (address, mark) = check(&self.config, proof, operation, self.clock.now())?;
        self.spend(mark).await?;
        Ok(address)
    }

    /// The same for many, for opening.
    pub(super) async fn verify_all(&self, proofs: Vec<v1::Proof>) -> Result<Vec<Address>, Failure> {
        let (config, now, many) = (self.config.clone(), self.clock.now(), proofs.len() >= MANY);
        let check_all = move || -> Result<Vec<_>, Failure> {
            proofs.iter().map(|proof| check(&config, Some(proof), Operation::OpenMailbox, now)).collect()
        };
        let checked = if many {
            tokio::task::spawn_blocking(check_all)
                .await
                .map_err(|_| failure::internal("the proofs could not be checked"))??
        } else {
            check_all()?
        };
        stream::iter(checked)
            .map(|(address, mark)| async move { self.spend(mark).await.map(|()| address) })
            .buffered(NONCES)
            .try_collect()
            .await
    }

    async fn spend(&self, mark: NonceMark) -> Result<(), Failure> {
        match self.store.remember_nonce(mark).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(Failure::new(Reason::ProofReplayed, "this proof was used before: make a new one")),
            Err(error) => Err(failure::of_store(error)),
        }
    }
}

pub(super) fn check(
    config: &ApiConfig,
    proof: Option<&v1::Proof>,
    operation: Operation,
    now: UnixTime,
) -> Result<(Address, NonceMark), Failure> {
    let proof = parse(proof)?;
    let address =
        proof.verify(&config.names, operation, now, config.proof_tolerance_secs).map_err(|error| match error {
            ProofError::WrongAudience => {
                let name = config.names.first().map(Audience::as_str).unwrap_or_default();
                Failure::new(Reason::ProofAudience, "the proof is for another relay").with("audience", name)
            }
            ProofError::Stale => {
                Failure::new(Reason::ProofStale, "the proof's time is too far from this relay's clock")
                    .with("relay_time", now.as_secs().to_string())
            }
            ProofError::BadSignature => Failure::new(
                Reason::ProofInvalid,
                "the signature is not that of the public key over this operation, relay, time and nonce",
            ),
        })?;
    Ok((address, NonceMark::new(proof.time.hour(), &address, &proof.nonce)))
}

pub(super) fn parse(proof: Option<&v1::Proof>) -> Result<Proof, Failure> {
    let proof = proof.ok_or_else(|| Failure::field("proof", "a proof is needed"))?;
    Ok(Proof {
        audience: proof
            .audience
            .parse()
            .map_err(|_| Failure::field("proof.audience", "the relay's name: a lowercase host name or IP address"))?,
        public_key: IdentityPublicKey::try_from(proof.public_key.as_ref())
            .map_err(|_| Failure::field("proof.public_key", "32 bytes that are an Ed25519 public key"))?,
        time: UnixTime(proof.unix_time),
        nonce: Nonce::try_from(proof.nonce.as_ref()).map_err(|_| Failure::field("proof.nonce", "16 bytes"))?,
        signature: Signature::try_from(proof.signature.as_ref())
            .map_err(|_| Failure::field("proof.signature", "64 bytes"))?,
    })
}
