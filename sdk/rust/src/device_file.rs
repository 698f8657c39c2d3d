//! A device in storage: JSON with base64url secrets.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sealpost_core::{Card, DeliveryKey, Hour, IdentityKey, SEALING_KEYS_LEN, SealingKeys};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{DeliveryGrant, Device, DeviceError};

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
pub(crate) struct DeviceFile {
    version: u32,
    identity: Zeroizing<String>,
    sealing: Vec<Zeroizing<String>>,
    delivery_keys: Vec<GrantFile>,
    card: String,
}

#[derive(Serialize, Deserialize)]
struct GrantFile {
    key: Zeroizing<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires_hour: Option<u32>,
}

impl From<Device> for DeviceFile {
    fn from(device: Device) -> Self {
        let grant = |grant: &DeliveryGrant| GrantFile {
            key: Zeroizing::new(grant.key.to_text()),
            expires_hour: grant.expires.map(|hour| hour.0),
        };
        Self {
            version: VERSION,
            identity: encode(device.identity.seed()),
            sealing: device.sealing.iter().map(|keys| encode(keys.as_bytes())).collect(),
            delivery_keys: device.delivery_keys.iter().map(grant).collect(),
            card: URL_SAFE_NO_PAD.encode(device.card.to_bytes()),
        }
    }
}

impl TryFrom<DeviceFile> for Device {
    type Error = DeviceError;

    fn try_from(file: DeviceFile) -> Result<Self, DeviceError> {
        if file.version != VERSION {
            return Err(DeviceError::Version);
        }
        let identity = IdentityKey::from_seed(*decode::<32>(&file.identity)?);
        let sealing = file.sealing.iter().map(|text| decode::<SEALING_KEYS_LEN>(text));
        let sealing = sealing.map(|bytes| bytes.map(|bytes| SealingKeys::from_bytes(&bytes)));
        let grant = |grant: &GrantFile| {
            let key = DeliveryKey::from_text(&grant.key).map_err(|_| DeviceError::Key)?;
            Ok(DeliveryGrant { key, expires: grant.expires_hour.map(Hour) })
        };
        let card = URL_SAFE_NO_PAD.decode(&file.card).map_err(|_| DeviceError::Key)?;
        let card = Card::parse(&card)?;
        // Whether it holds today is not for storage to say: an expired card is renewed after it was read.
        card.check(&identity.address(), card.issued())?;
        let device = Self {
            identity,
            sealing: sealing.collect::<Result<_, _>>()?,
            delivery_keys: file.delivery_keys.iter().map(grant).collect::<Result<_, DeviceError>>()?,
            card,
        };
        match device.sender_keys() {
            Ok(_) => Ok(device),
            Err(_) => Err(DeviceError::SealingKeys),
        }
    }
}

fn encode(bytes: &[u8]) -> Zeroizing<String> {
    Zeroizing::new(URL_SAFE_NO_PAD.encode(bytes))
}

fn decode<const N: usize>(text: &str) -> Result<Zeroizing<[u8; N]>, DeviceError> {
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(text).map_err(|_| DeviceError::Key)?);
    let mut array = Zeroizing::new([0; N]);
    if bytes.len() != N {
        return Err(DeviceError::Key);
    }
    array.copy_from_slice(&bytes);
    Ok(array)
}
