//! The sender's name for a message.

fixed_bytes! {
    /// 16 random bytes by which a message is recognised when it arrives twice.
    ///
    /// The one inside an envelope is seen by the recipient only; the one that accompanies an envelope to the relay is
    /// another value, so that nothing links the two.
    MessageId, 16, "message id"
}
random_bytes!(MessageId);
