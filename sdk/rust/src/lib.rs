//! Client of the Sealpost relay.
