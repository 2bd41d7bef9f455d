// Clients for browsers, as a page uses them. Each returns when it has done what it can to send.
import mixpanel from "mixpanel-browser";
import posthog from "posthog-js";
import { AnalyticsBrowser } from "@segment/analytics-next";
import * as Sentry from "@sentry/browser";

const clients = {
	async "posthog-js"(url, key, events) {
		await new Promise(loaded => posthog.init(key, { api_host: url, loaded, autocapture: false, capture_pageview: false, disable_session_recording: true, request_batching: false, opt_out_useragent_filter: true }));
		for (const event of events) posthog.capture(event, { plan: "ü" });
	},
	async "mixpanel-browser"(url, key, events) {
		mixpanel.init(key, { api_host: url, batch_requests: false });
		for (const event of events) mixpanel.track(event, { plan: "ü" });
	},
	async "@segment/analytics-next"(url, key, events) {
		const settings = { integrations: { "Segment.io": { apiKey: key, apiHost: new URL(url).host + "/v1", protocol: "http" } } };
		const analytics = new AnalyticsBrowser();
		await analytics.load({ writeKey: key, cdnSettings: settings });
		for (const event of events) await analytics.track(event, { plan: "ü" });
	},
	async "@sentry/browser"(url, key, events) {
		Sentry.init({ dsn: url.replace("://", `://${key}@`) + "/42" });
		for (const event of events) Sentry.captureMessage(event);
		await Sentry.flush(5000);
	},
};

window.send = (client, url, key, events) => clients[client](url, key, events);
