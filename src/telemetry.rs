use std::io::IsTerminal;
use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusBuilder;
use tracing_subscriber::EnvFilter;

use crate::cli::LogFormat;

/// Starts the log on standard error. `RUST_LOG` chooses what is shown.
pub(crate) fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).with_target(false).init(),
        LogFormat::Json => builder.json().with_current_span(true).with_span_list(false).init(),
    }
}

/// Starts the counters; returns what renders them in Prometheus' text format.
pub(crate) fn start_metrics() -> Result<Arc<dyn Fn() -> String + Send + Sync>, String> {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|error| format!("cannot start the counters: {error}"))?;
    describe();
    Ok(Arc::new(move || handle.render()))
}

fn describe() {
    metrics::describe_gauge!("stoa_signaling_connections", "Open signaling sockets");
    metrics::describe_gauge!("stoa_signaling_sessions", "Sessions, those that wait for a resume included");
    metrics::describe_gauge!("stoa_signaling_rooms", "Rooms with somebody in them");
    metrics::describe_counter!("stoa_signaling_sessions_bound_total", "Sessions begun or resumed, by kind");
    metrics::describe_counter!("stoa_signaling_frames_total", "Signaling frames, by direction");
    metrics::describe_counter!("stoa_signaling_closed_total", "Sockets closed by the server, by close code");
    metrics::describe_counter!("stoa_http_responses_total", "HTTP responses, by status");
    metrics::describe_counter!("stoa_stun_bindings_total", "STUN Binding requests answered");
    metrics::describe_gauge!("stoa_relay_allocations", "Allocations of the relay");
    metrics::describe_gauge!("stoa_relay_connections", "Connections of the relay's clients, by transport");
    metrics::describe_counter!("stoa_relay_allocations_total", "Allocations made");
    metrics::describe_counter!("stoa_relay_allocations_expired_total", "Allocations that were not refreshed");
    metrics::describe_counter!(
        "stoa_relay_allocations_revoked_total",
        "Allocations ended with their session or by hand"
    );
    metrics::describe_counter!("stoa_relay_packets_total", "Relayed datagrams, by direction");
    metrics::describe_counter!("stoa_relay_bytes_total", "Relayed payload in bytes, by direction");
    metrics::describe_counter!("stoa_relay_hairpin_packets_total", "Relayed datagrams that never left the process");
    metrics::describe_counter!("stoa_relay_refused_total", "Requests refused by the relay, by method and code");
    metrics::describe_counter!("stoa_relay_dropped_total", "What the relay dropped, by reason");
    metrics::describe_counter!("stoa_relay_connections_refused_total", "Connections of sources that have too many");
    metrics::describe_counter!("stoa_relay_orders_lost_total", "Revocations that the relay was too busy for");
    metrics::describe_counter!("stoa_udp_dropped_total", "Datagrams dropped, by reason");
    metrics::describe_counter!("stoa_udp_handler_panics_total", "Panics in UDP handlers; each is a bug");
    for name in
        ["stoa_signaling_connections", "stoa_signaling_sessions", "stoa_signaling_rooms", "stoa_relay_allocations"]
    {
        metrics::gauge!(name).set(0.0);
    }
    metrics::counter!("stoa_stun_bindings_total").absolute(0);
    metrics::counter!("stoa_udp_handler_panics_total").absolute(0);
}
