// Sends two events with a client as it comes: node send.js CLIENT URL EVENT EVENT, with the key in KEY.
// It ends when the client says that it has sent them; a refusal is printed.
const [client, url, ...events] = process.argv.slice(2);
const key = process.env.KEY;
const { port } = new URL(url);

/** Turns a function that takes a callback into a promise. */
const called = use => new Promise((resolve, reject) => use(err => (err ? reject(err) : resolve())));

const clients = {
	async "posthog-node"() {
		const { PostHog } = await import("posthog-node");
		const posthog = new PostHog(key, { host: url });
		for (const event of events) posthog.capture({ distinctId: "user", event, properties: { plan: "ü" } });
		await posthog.shutdown();
	},
	async mixpanel() {
		const { default: Mixpanel } = await import("mixpanel");
		const mixpanel = Mixpanel.init(key, { protocol: "http", host: `127.0.0.1:${port}` });
		await called(done => mixpanel.track(events[0], { distinct_id: "user", plan: "ü" }, done));
		await called(done => mixpanel.track_batch([{ event: events[1], properties: { distinct_id: "user" } }], {}, done));
	},
	async "@segment/analytics-node"() {
		const { Analytics } = await import("@segment/analytics-node");
		const analytics = new Analytics({ writeKey: key, host: url });
		for (const event of events) analytics.track({ userId: "user", event, properties: { plan: "ü" } });
		await analytics.closeAndFlush();
	},
	async "@sentry/node"() {
		const Sentry = await import("@sentry/node");
		Sentry.init({ dsn: `http://${key}@127.0.0.1:${port}/42`, tracesSampleRate: 1, defaultIntegrations: false });
		for (const event of events) {
			Sentry.withScope(scope => {
				scope.addAttachment({ filename: "a.bin", data: new Uint8Array([0, 255, 10, 123, 34]) });
				Sentry.captureMessage(event);
			});
		}
		await Sentry.flush(5000);
	},
	async "@amplitude/analytics-node"() {
		const amplitude = await import("@amplitude/analytics-node");
		await amplitude.init(key, { serverUrl: `${url}/2/httpapi`, logLevel: 0 }).promise;
		const sent = events.map(event => amplitude.track(event, { plan: "ü" }, { user_id: "some-user" }).promise);
		await amplitude.flush().promise;
		await Promise.all(sent);
	},
	async "@rudderstack/rudder-sdk-node"() {
		const { default: RudderAnalytics } = await import("@rudderstack/rudder-sdk-node");
		const rudder = new RudderAnalytics(key, { dataPlaneUrl: url, flushInterval: 1_000_000, logLevel: "error" });
		for (const event of events) rudder.track({ userId: "user", event, properties: { plan: "ü" } });
		await rudder.flush();
	},
	async "@bugsnag/node"() {
		const { default: Bugsnag } = await import("@bugsnag/node");
		const bugsnag = Bugsnag.createClient({
			apiKey: key, endpoints: { notify: url, sessions: url }, autoTrackSessions: false, autoDetectErrors: false, logger: null,
		});
		for (const event of events) await called(done => bugsnag.notify(new Error(event), () => {}, done));
	},
	async rollbar() {
		const { default: Rollbar } = await import("rollbar");
		const rollbar = new Rollbar({ accessToken: key, endpoint: `${url}/api/1/item/`, captureUncaught: false });
		for (const event of events) await called(done => rollbar.error(event, done));
	},
	async "@axiomhq/js"() {
		const { Axiom } = await import("@axiomhq/js");
		const axiom = new Axiom({ token: key, url, onError: err => { throw err; } });
		axiom.ingest("dataset", events.map(event => ({ event, plan: "ü" })));
		await axiom.flush();
	},
	async "@logtail/node"() {
		const { Logtail } = await import("@logtail/node");
		const logtail = new Logtail(key, { endpoint: url, ignoreExceptions: false, throwExceptions: true });
		await Promise.all([...events.map(event => logtail.info(event)), logtail.flush()]);
	},
	async "@elastic/elasticsearch"() {
		const { Client } = await import("@elastic/elasticsearch");
		const elastic = new Client({ node: url, auth: { apiKey: key } });
		await elastic.bulk({ operations: events.flatMap(event => [{ index: { _index: "events" } }, { event, plan: "ü" }]) });
	},
	async "@influxdata/influxdb-client"() {
		const { InfluxDB, Point } = await import("@influxdata/influxdb-client");
		const write = new InfluxDB({ url, token: key }).getWriteApi("org", "bucket");
		for (const event of events) write.writePoint(new Point(event).intField("value", 1));
		await write.close();
	},
	async "@opentelemetry/exporter-trace-otlp-http"() {
		const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-http");
		await trace(new OTLPTraceExporter({ url: `${url}/v1/traces`, headers: { "x-api-key": key }, compression: "gzip" }));
	},
	async "@opentelemetry/exporter-trace-otlp-proto"() {
		const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-proto");
		await trace(new OTLPTraceExporter({ url: `${url}/v1/traces`, headers: { authorization: `Bearer ${key}` } }));
	},
	async "@opentelemetry/exporter-trace-otlp-grpc"() {
		const { OTLPTraceExporter } = await import("@opentelemetry/exporter-trace-otlp-grpc");
		const { Metadata } = await import("@grpc/grpc-js");
		const metadata = new Metadata();
		metadata.set("x-api-key", key);
		await trace(new OTLPTraceExporter({ url, metadata }));
	},
	async libhoney() {
		const { default: Libhoney } = await import("libhoney");
		const honey = new Libhoney({ writeKey: key, dataset: "dataset", apiHost: url });
		for (const event of events) honey.sendNow({ event, plan: "ü" });
		await honey.flush();
	},
	async "splunk-logging"() {
		const { default: splunk } = await import("splunk-logging");
		const logger = new splunk.Logger({ token: key, url: `${url}/services/collector/event`, maxBatchCount: 0 });
		for (const event of events) logger.send({ message: { event, plan: "ü" } });
		await called(done => logger.flush(done));
	},
};

/** Exports a span for each event, at once. */
async function trace(exporter) {
	const { BasicTracerProvider, BatchSpanProcessor } = await import("@opentelemetry/sdk-trace-base");
	const provider = new BasicTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] });
	for (const event of events) provider.getTracer("test").startSpan(event).end();
	await provider.forceFlush();
	await provider.shutdown();
}

await clients[client]();
process.exit(0); // some keep timers
