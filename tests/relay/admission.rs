//! Who may make a mailbox.

use sealpost::config::AdmissionMode;
use sealpost_core::{Audience, IdentityKey, Voucher, VoucherId};
use sealpost_proto::Reason;
use sealpost_proto::status::Failure;
use sealpost_proto::v1;

use crate::cluster::Cluster;
use crate::owner::{Owner, now};

fn voucher(operator: &IdentityKey, relay: &str, hours: i64) -> Vec<u8> {
    let relay: Audience = relay.parse().unwrap();
    let hour = sealpost_core::Hour(u32::try_from(i64::from(now().hour().0) + hours).unwrap());
    Voucher::issue(operator, &relay, VoucherId::generate(&mut rand::rng()), hour).to_bytes()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voucher_admits_one_mailbox() {
    let operator = IdentityKey::generate(&mut rand::rng());
    let hex: String = operator.public().as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let change = |settings: &mut sealpost::config::Settings| {
        settings.admission.mode = Some(AdmissionMode::Voucher);
        settings.admission.operator_keys = Some(vec![hex.clone()]);
    };
    for cluster in [Cluster::embedded_with(change).await, Cluster::redis_with(1, change).await] {
        let mut owners = cluster.owners(0).await;
        let mut refused = async |voucher: Vec<u8>| {
            let request = v1::CreateMailboxRequest { voucher: voucher.into(), ..Owner::new().creation() };
            Failure::from_status(&owners.create_mailbox(request).await.unwrap_err()).unwrap().reason
        };
        let stranger = IdentityKey::generate(&mut rand::rng());
        assert_eq!(refused(vec![]).await, Reason::VoucherRequired);
        assert_eq!(refused(vec![1, 2, 3]).await, Reason::VoucherInvalid);
        assert_eq!(refused(voucher(&stranger, "relay.test", 2)).await, Reason::VoucherInvalid);
        assert_eq!(refused(voucher(&operator, "other.test", 2)).await, Reason::VoucherInvalid);
        assert_eq!(refused(voucher(&operator, "relay.test", -2)).await, Reason::VoucherExpired);

        let good = voucher(&operator, "relay.test", 2);
        let owner = Owner::new();
        let request = || v1::CreateMailboxRequest { voucher: good.clone().into(), ..owner.creation() };
        let mut again = cluster.owners(0).await;
        again.create_mailbox(request()).await.expect("the voucher is good");
        // Who lost the answer asks again, and learns that there is one.
        let status = again.create_mailbox(request()).await.unwrap_err();
        assert_eq!(Failure::from_status(&status).unwrap().reason, Reason::MailboxExists);
        assert_eq!(refused(good.clone()).await, Reason::VoucherSpent);
    }
}
