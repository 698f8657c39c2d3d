//! When a certificate ends: the one field that rustls does not tell.

use yasna::{ASN1Error, ASN1ErrorKind, ASN1Result, BERReader, Tag, tags};

/// The last second, in Unix time, in which an X.509 certificate (RFC 5280 §4.1) is valid; `None` if it is none.
pub(super) fn not_after(certificate: &[u8]) -> Option<i64> {
    yasna::parse_der(certificate, |reader| {
        reader.read_sequence(|certificate| {
            let end = certificate.next().read_sequence(|fields| {
                fields.read_optional(|version| version.read_tagged(Tag::context(0), |number| number.read_u8()))?;
                for _serial_number_signature_issuer in 0..3 {
                    fields.next().read_der()?;
                }
                let end = fields.next().read_sequence(|validity| {
                    time(validity.next())?;
                    time(validity.next())
                })?;
                while fields.read_optional(|other| other.read_der())?.is_some() {}
                Ok(end)
            })?;
            for _signature_algorithm_and_value in 0..2 {
                certificate.next().read_der()?;
            }
            Ok(end)
        })
    })
    .ok()
}

fn time(reader: BERReader<'_, '_>) -> ASN1Result<i64> {
    match reader.lookahead_tag()? {
        tags::TAG_UTCTIME => Ok(reader.read_utctime()?.datetime().unix_timestamp()),
        tags::TAG_GENERALIZEDTIME => Ok(reader.read_generalized_time()?.datetime().unix_timestamp()),
        _ => Err(ASN1Error::new(ASN1ErrorKind::Invalid)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    fn ending(year: i32) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["relay.test".to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 3, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn it_is_read_in_both_forms_of_time() {
        // Until 2049 two digits are a year, from 2050 four.
        assert_eq!(not_after(&ending(2049)), Some(2_498_169_600));
        assert_eq!(not_after(&ending(2050)), Some(2_529_705_600));
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        let whole = ending(2040);
        for length in 0..whole.len() {
            assert_eq!(not_after(&whole[..length]), None, "the first {length} bytes");
        }
    }

    proptest! {
        #[test]
        fn anything_may_come(at in 0_usize..200, byte: u8) {
            let mut certificate = ending(2040);
            certificate[at] = byte;
            not_after(&certificate);
        }
    }
}
