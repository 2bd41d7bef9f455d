// Uses a gate from pages of other origins, one of which the gate lists.
import assert from "node:assert/strict";
import { input, withBrowser, newPage } from "./browser.js";

const json = { "Content-Type": "application/json" };

/** Fetches in the page, and returns what the page can see of the answer. */
const fetchIn = (page, path, options) => page.evaluate(async ([url, options]) => {
	try {
		const answer = await fetch(url, options);
		return { status: answer.status, body: await answer.text(), headers: Object.fromEntries(answer.headers) };
	} catch (error) {
		return { error: error.name };
	}
}, [input.gate + path, options]);

/** Sends a beacon, and waits until it was answered. */
async function beacon(page, path, body, type) {
	const answered = page.waitForResponse(r => r.url().startsWith(input.gate + path) && r.request().method() === "POST");
	const queued = await page.evaluate(([url, body, type]) => navigator.sendBeacon(url, type ? new Blob([body], { type }) : body), [input.gate + path, body, type]);
	assert.ok(queued);
	assert.equal((await answered).status(), 200, `beacon to ${path}`);
}

await withBrowser(async browser => {
	const page = await newPage(browser);
	await page.goto(input.listed);

	let answer = await fetchIn(page, "/keepalive", { method: "POST", keepalive: true, headers: json, body: `{"event":"keepalive","token":"${input.key}"}` });
	assert.equal(answer.status, 200);
	assert.equal(answer.body, "ok");
	assert.equal(answer.headers["x-ratelimit-limit"], "1000");
	answer = await fetchIn(page, "/header", { method: "POST", headers: { ...json, "X-API-Key": input.key }, body: `{"event":"header"}` });
	assert.equal(answer.status, 200);

	await beacon(page, "/text", `{"event":"text","token":"${input.key}"}`);
	await beacon(page, "/blob", `{"event":"blob","token":"${input.key}"}`, "application/json");
	await beacon(page, `/query?apiKey=${input.key}`, `{"event":"query"}`);
	assert.deepEqual(page.complaints, []);

	answer = await fetchIn(page, "/refused", { method: "POST", headers: json, body: `{"event":"refused","token":"no-such-key"}` });
	assert.equal(answer.status, 401);
	assert.equal(JSON.parse(answer.body).code, "invalid_key");

	const limited = { method: "POST", headers: json, body: `{"event":"limited","token":"${input.limited}"}` };
	assert.equal((await fetchIn(page, "/limited", limited)).status, 200);
	answer = await fetchIn(page, "/limited", limited);
	assert.equal(answer.status, 429);
	assert.equal(JSON.parse(answer.body).code, "rate_limited");
	assert.equal(answer.headers["x-ratelimit-limit"], "1");
	assert.equal(answer.headers["x-ratelimit-remaining"], "0");
	assert.match(answer.headers["x-ratelimit-reset"], /^\d+$/);
	assert.match(answer.headers["retry-after"], /^\d+$/);

	// A page of another origin gets nothing to see. What needs a preflight is not even sent.
	const other = await newPage(browser);
	await other.goto(input.other);
	const simple = { method: "POST", body: `{"event":"unlisted","token":"${input.key}"}` };
	assert.deepEqual(await fetchIn(other, "/unlisted", simple), { error: "TypeError" });
	assert.deepEqual(await fetchIn(other, "/preflight", { ...simple, headers: json }), { error: "TypeError" });
	assert.deepEqual(await fetchIn(other, "/refused", { method: "POST", body: `{"token":"no-such-key"}` }), { error: "TypeError" });
	assert.ok(other.complaints.some(c => c.includes("Access-Control-Allow-Origin")), "the browser says why");
});
