//! Traces: the way of single calls and envelopes through relays and store, by OTLP.
//!
//! A call, or a batch of a stream, is one span; what it does at the store are spans below it; and the relay that sends the
//! envelope to its owner adds one, by what came along with the envelope ([`TraceParent`]). Only a share is traced, chosen at
//! random, and of what fails a few a second, as single spans.
//!
//! A trace tells nobody's time. All spans of a trace are moved back together, so that it begins at a full minute: how long
//! everything took is exact, when it was is known to the minute. What a span says is one of [`Attribute`]: there is no way
//! to put anything else into one.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry::trace::{SpanContext, SpanId, SpanKind, Status, TraceContextExt, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{BatchSpanProcessor, SpanData, SpanEvents, SpanExporter, SpanLinks, SpanProcessor};
use sealpost_proto::Reason;

use super::metrics::Procedure;

/// What is traced.
#[derive(Debug, Clone, PartialEq)]
pub struct TraceConfig {
    /// The share of calls that is traced, 0 to 1.
    pub ratio: f64,
    /// Whether a client's `traceparent` is listened to: its trace is gone on with, if the client says that it is sampled.
    pub joins: bool,
}

/// Takes spans; clones are one. Where there is nobody to take them, this costs a look at nothing.
#[derive(Clone, Default)]
pub struct Traces(Option<Arc<Inner>>);

struct Inner {
    config: TraceConfig,
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
    failures: DefaultDirectRateLimiter,
}

/// What a part of a trace that begins elsewhere is added to.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceParent {
    /// 128 random bits, never all zero.
    trace: [u8; 16],
    /// 64 random bits, never all zero.
    span: [u8; 8],
    /// So many microseconds are taken from every time of the trace.
    shift_us: u32,
}

/// What something did, from its beginning to its end.
pub struct Span<'a> {
    traces: &'a Traces,
    began: Instant,
    /// Where it is traced.
    sampled: Option<Box<Sampled>>,
}

struct Sampled {
    me: TraceParent,
    above: Option<[u8; 8]>,
    above_is_remote: bool,
    start: SystemTime,
}

/// What a span is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanName {
    /// A call, or a batch of a stream.
    Call(Procedure),
    /// The store queues envelopes.
    Append,
    /// Commands wait for their turn on the connection that is theirs.
    Lane,
    /// A Redis server has them.
    Redis,
    /// An envelope that was heard of is handed to its owner's stream.
    Deliver,
}

/// What a span may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Attribute {
    /// Why it failed.
    Reason(Reason),
    /// In other words, where it is no call.
    Error(&'static str),
    /// Envelopes, or commands, that went together.
    Batch(usize),
    /// The number of a connection.
    Lane(u8),
}

/// A minute, to which all times are rounded.
const COARSE: Duration = Duration::from_secs(60);
/// What fails is traced so often in a second, whatever the ratio.
const FAILURES: NonZeroU32 = NonZeroU32::new(10).unwrap();

impl Traces {
    /// Begins to send spans to `exporter`.
    pub(super) fn new(config: TraceConfig, resource: &Resource, exporter: impl SpanExporter + 'static) -> Self {
        let mut processor = BatchSpanProcessor::builder(exporter).build();
        processor.set_resource(resource);
        Self(Some(Arc::new(Inner {
            config,
            processor,
            scope: InstrumentationScope::builder("sealpost").with_version(env!("CARGO_PKG_VERSION")).build(),
            failures: RateLimiter::direct(Quota::per_second(FAILURES)),
        })))
    }

    /// Something begins that no span of ours is above; `traceparent` is what its client sent of that header (W3C Trace
    /// Context, version 0).
    pub fn begin(&self, traceparent: Option<&str>) -> Span<'_> {
        let began = Instant::now();
        let Some(inner) = &self.0 else { return Span { traces: self, began, sampled: None } };
        let joined = traceparent.filter(|_| inner.config.joins).and_then(read_traceparent);
        let sampled = match joined {
            Some((trace, span)) => Some(Sampled::begin(trace, Some(span), true)),
            None if rand::random::<f64>() < inner.config.ratio => Some(Sampled::begin(random(), None, false)),
            None => None,
        };
        Span { traces: self, began, sampled: sampled.map(Box::new) }
    }

    /// Something begins that this is above.
    pub fn begin_below(&self, parent: &TraceParent) -> Span<'_> {
        let began = Instant::now();
        let sampled = self.0.as_ref().map(|_| Box::new(Sampled::below(parent, SystemTime::now())));
        Span { traces: self, began, sampled }
    }

    /// Something that this is above went from one moment to another.
    pub fn add(
        &self,
        parent: &TraceParent,
        name: SpanName,
        from: Instant,
        to: Instant,
        attributes: impl IntoIterator<Item = Attribute, IntoIter: Clone>,
    ) {
        let Some(inner) = &self.0 else { return };
        let now = SystemTime::now();
        let start = now.checked_sub(from.elapsed()).unwrap_or(now);
        inner.emit(&Sampled::below(parent, start), name, to.saturating_duration_since(from), attributes.into_iter());
    }

    /// Sends what waits, and waits until that is done. It blocks.
    pub fn finish(&self) {
        if let Some(inner) = &self.0 {
            // At the end there is nobody left to tell.
            let _ = inner.processor.shutdown();
        }
    }
}

impl fmt::Debug for Traces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Traces(on)" } else { "Traces(off)" })
    }
}

impl Span<'_> {
    /// What its parts are added to, if it is traced.
    pub fn context(&self) -> Option<TraceParent> {
        self.sampled.as_ref().map(|sampled| sampled.me)
    }

    /// It has ended, and this is to be said of it.
    pub fn end(self, name: SpanName, attributes: impl IntoIterator<Item = Attribute, IntoIter: Clone>) {
        let Some(inner) = &self.traces.0 else { return };
        let attributes = attributes.into_iter();
        let failed = || attributes.clone().any(Attribute::is_grave);
        let sampled = match self.sampled {
            Some(sampled) => *sampled,
            None if failed() && inner.failures.check().is_ok() => {
                let now = SystemTime::now();
                Sampled::at(random(), None, false, now.checked_sub(self.began.elapsed()).unwrap_or(now))
            }
            None => return,
        };
        inner.emit(&sampled, name, self.began.elapsed(), attributes);
    }
}

impl Sampled {
    fn begin(trace: [u8; 16], above: Option<[u8; 8]>, above_is_remote: bool) -> Self {
        Self::at(trace, above, above_is_remote, SystemTime::now())
    }

    /// The first of ours: it begins at a full minute.
    fn at(trace: [u8; 16], above: Option<[u8; 8]>, above_is_remote: bool, start: SystemTime) -> Self {
        let since = start.duration_since(UNIX_EPOCH).unwrap_or_default();
        let shift = since.as_micros() % COARSE.as_micros();
        let shift_us = u32::try_from(shift).unwrap_or_default();
        Self { me: TraceParent { trace, span: random(), shift_us }, above, above_is_remote, start }
    }

    fn below(parent: &TraceParent, start: SystemTime) -> Self {
        let me = TraceParent { span: random(), ..*parent };
        Self { me, above: Some(parent.span), above_is_remote: false, start }
    }

    /// Whole microseconds, moved back as the whole trace is.
    fn shifted_start(&self) -> SystemTime {
        let since = self.start.duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = u64::try_from(since.as_micros()).unwrap_or_default();
        UNIX_EPOCH + Duration::from_micros(micros.saturating_sub(u64::from(self.me.shift_us)))
    }
}

impl Inner {
    fn emit(
        &self,
        sampled: &Sampled,
        name: SpanName,
        took: Duration,
        attributes: impl Iterator<Item = Attribute> + Clone,
    ) {
        let start = sampled.shifted_start();
        let context = SpanContext::new(
            TraceId::from_bytes(sampled.me.trace),
            SpanId::from_bytes(sampled.me.span),
            TraceFlags::SAMPLED,
            false,
            TraceState::default(),
        );
        let grave = attributes.clone().any(Attribute::is_grave);
        self.processor.on_end(SpanData {
            span_context: context,
            parent_span_id: sampled.above.map_or(SpanId::INVALID, SpanId::from_bytes),
            parent_span_is_remote: sampled.above_is_remote,
            span_kind: name.kind(),
            name: name.text(),
            start_time: start,
            end_time: start + took,
            attributes: name.attributes().into_iter().chain(attributes.flat_map(Attribute::written)).collect(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: if grave { Status::error("") } else { Status::Unset },
            instrumentation_scope: self.scope.clone(),
        });
    }
}

impl SpanName {
    fn text(self) -> Cow<'static, str> {
        match self {
            Self::Call(procedure) => format!("{}/{}", procedure.service(), procedure.word()).into(),
            Self::Append => "append".into(),
            Self::Lane => "lane".into(),
            Self::Redis => "EVALSHA append".into(),
            Self::Deliver => "deliver".into(),
        }
    }

    fn kind(self) -> SpanKind {
        match self {
            Self::Call(_) => SpanKind::Server,
            Self::Append | Self::Lane => SpanKind::Internal,
            Self::Redis => SpanKind::Client,
            Self::Deliver => SpanKind::Consumer,
        }
    }

    /// By the semantic conventions of OpenTelemetry, 1.37.
    fn attributes(self) -> Vec<KeyValue> {
        match self {
            Self::Call(procedure) => vec![
                KeyValue::new("rpc.system", "grpc"),
                KeyValue::new("rpc.service", procedure.service()),
                KeyValue::new("rpc.method", procedure.word()),
            ],
            Self::Redis => {
                vec![KeyValue::new("db.system.name", "redis"), KeyValue::new("db.operation.name", "EVALSHA")]
            }
            Self::Deliver => vec![
                KeyValue::new("messaging.system", "sealpost"),
                KeyValue::new("messaging.operation.name", "deliver"),
                KeyValue::new("messaging.operation.type", "process"),
            ],
            Self::Append | Self::Lane => Vec::new(),
        }
    }
}

impl Attribute {
    /// Whether it makes of a span a failure of the relay, and not one of its client.
    fn is_grave(self) -> bool {
        match self {
            Self::Reason(reason) => {
                matches!(reason, Reason::StoreUnavailable | Reason::Internal | Reason::TimedOut | Reason::Overloaded)
            }
            Self::Error(_) => true,
            Self::Batch(_) | Self::Lane(_) => false,
        }
    }

    fn written(self) -> Vec<KeyValue> {
        let number = |number: usize| Value::I64(i64::try_from(number).unwrap_or(i64::MAX));
        match self {
            Self::Reason(reason) => vec![
                KeyValue::new("rpc.grpc.status_code", i64::from(reason.code() as i32)),
                KeyValue::new("error.type", reason.name()),
            ],
            Self::Error(error) => vec![KeyValue::new("error.type", error)],
            Self::Batch(many) => vec![KeyValue::new("sealpost.batch.size", number(many))],
            Self::Lane(lane) => vec![KeyValue::new("sealpost.lane", i64::from(lane))],
        }
    }
}

/// Random bytes that are not all zero.
fn random<const N: usize>() -> [u8; N]
where
    rand::distr::StandardUniform: rand::distr::Distribution<[u8; N]>,
{
    loop {
        let bytes: [u8; N] = rand::random();
        if bytes != [0; N] {
            return bytes;
        }
    }
}

/// Trace and span of a header `traceparent`, if it says that they are sampled.
fn read_traceparent(header: &str) -> Option<([u8; 16], [u8; 8])> {
    let context = TraceContextPropagator::new().extract(&OneHeader(header));
    let context = context.span().span_context().clone();
    let sampled = context.is_valid() && context.is_sampled();
    sampled.then(|| (context.trace_id().to_bytes(), context.span_id().to_bytes()))
}

/// All that is looked at: a `tracestate` is other systems' affair.
struct OneHeader<'a>(&'a str);

impl Extractor for OneHeader<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        (name == "traceparent").then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent"]
    }
}

impl TraceParent {
    /// Bytes of one.
    pub const LEN: usize = 28;

    /// Whether both are of one trace.
    pub fn is_of_trace_of(&self, other: &Self) -> bool {
        self.trace == other.trace
    }

    /// Trace id, span id, shift (big-endian).
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        let (trace, rest) = bytes.split_at_mut(16);
        let (span, shift) = rest.split_at_mut(8);
        trace.copy_from_slice(&self.trace);
        span.copy_from_slice(&self.span);
        shift.copy_from_slice(&self.shift_us.to_be_bytes());
        bytes
    }

    /// `None` where an id is all zero, which none is.
    pub fn from_bytes(bytes: [u8; Self::LEN]) -> Option<Self> {
        let (trace, rest) = bytes.split_first_chunk()?;
        let (span, shift) = rest.split_first_chunk()?;
        let shift_us = u32::from_be_bytes(shift.try_into().ok()?);
        let is_none = *trace == [0; 16] || *span == [0; 8];
        (!is_none).then_some(Self { trace: *trace, span: *span, shift_us })
    }
}

impl fmt::Debug for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TraceParent(..)")
    }
}

#[cfg(test)]
mod tests {
    use opentelemetry_sdk::trace::InMemorySpanExporter;
    use proptest::prelude::*;

    use super::*;

    const HEADER: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn traces(ratio: f64, joins: bool) -> (Traces, impl Fn() -> Vec<SpanData>) {
        let exporter = InMemorySpanExporter::default();
        let traces = Traces::new(TraceConfig { ratio, joins }, &Resource::builder_empty().build(), exporter.clone());
        let inner = traces.0.clone().expect("it is on");
        let sent = move || {
            inner.processor.force_flush().expect("it is flushed");
            let sent = exporter.get_finished_spans().expect("they are there");
            exporter.reset();
            sent
        };
        (traces, sent)
    }

    const SEND: SpanName = SpanName::Call(Procedure::Send);

    #[test]
    fn a_trace_begins_at_a_full_minute_and_its_parts_keep_their_distance() {
        let (traces, sent) = traces(1.0, false);
        let before = SystemTime::now();
        let span = traces.begin(None);
        let above = span.context().expect("it is traced");
        let from = Instant::now();
        traces.add(&above, SpanName::Redis, from, from + Duration::from_millis(5), [Attribute::Batch(3)]);
        span.end(SEND, []);
        // Another relay adds to it.
        let elsewhere = TraceParent::from_bytes(above.to_bytes()).expect("it is one");
        traces.begin_below(&elsewhere).end(SpanName::Deliver, []);
        let [part, whole, elsewhere] = &sent()[..] else { panic!("three spans") };
        let since = whole.start_time.duration_since(UNIX_EPOCH).expect("after 1970");
        assert_eq!(since.as_nanos() % COARSE.as_nanos(), 0);
        assert!(before.duration_since(whole.start_time).expect("moved back") <= COARSE);
        for part in [part, elsewhere] {
            assert_eq!(part.span_context.trace_id(), whole.span_context.trace_id());
            assert_eq!(part.parent_span_id, whole.span_context.span_id());
            let later = part.start_time.duration_since(whole.start_time).expect("later");
            assert!(later < Duration::from_secs(1), "{later:?}");
        }
        assert_eq!(part.end_time, part.start_time + Duration::from_millis(5));
        assert_eq!(whole.parent_span_id, SpanId::INVALID);
        assert_eq!(whole.name, "sealpost.v1.DeliveryService/Send");
    }

    #[test]
    fn a_share_is_traced_and_what_fails() {
        let (traces, sent) = traces(0.5, false);
        for _ in 0..400 {
            traces.begin(None).end(SEND, [Attribute::Reason(Reason::MailboxFull)]);
        }
        assert!((120..280).contains(&sent().len()));
        let (traces, sent) = self::traces(0.0, false);
        traces.begin(None).end(SEND, []);
        traces.begin(None).end(SEND, [Attribute::Reason(Reason::DeliveryRefused)]);
        assert!(sent().is_empty(), "a client's fault is none of ours");
        for _ in 0..100 {
            traces.begin(None).end(SEND, [Attribute::Reason(Reason::StoreUnavailable)]);
        }
        let failed = sent();
        assert!((10..20).contains(&failed.len()), "{}", failed.len());
        assert!(failed.iter().all(|span| span.status == Status::error("")));
    }

    #[test]
    fn a_clients_trace_is_gone_on_with_only_where_that_is_wanted() {
        let (traces, sent) = traces(0.0, true);
        traces.begin(Some(HEADER)).end(SEND, []);
        traces.begin(Some(&HEADER.replace("-01", "-00"))).end(SEND, []);
        let [joined] = &sent()[..] else { panic!("one span") };
        assert_eq!(joined.span_context.trace_id().to_string(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(joined.parent_span_id.to_string(), "b7ad6b7169203331");
        assert!(joined.parent_span_is_remote);
        let (traces, sent) = self::traces(0.0, false);
        traces.begin(Some(HEADER)).end(SEND, []);
        assert!(sent().is_empty());
    }

    #[test]
    fn a_traceparent_is_read_as_it_is_specified() {
        assert!(read_traceparent(HEADER).is_some());
        for (from, to) in [
            ("00-0af", "ff-0af"),
            ("0af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000000"),
            ("b7ad6b7169203331", "0000000000000000"),
            ("-01", ""),
            ("-01", "-02"),
        ] {
            assert_eq!(read_traceparent(&HEADER.replace(from, to)), None, "{from} {to}");
        }
        let later = HEADER.replace("00-", "01-") + "-more";
        assert!(read_traceparent(&later).is_some(), "a later version may say more");
        let flags = HEADER.replace("-01", "-ff");
        assert!(read_traceparent(&flags).is_some());
    }

    proptest! {
        #[test]
        fn any_header_may_come(header: String) {
            read_traceparent(&header);
        }
    }
}
