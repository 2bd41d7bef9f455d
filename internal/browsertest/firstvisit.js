// Looks at the page of a gate that nobody has used yet, and then at the first request.
import assert from "node:assert/strict";
import { input, withBrowser, newPage, until } from "./browser.js";

await withBrowser(async browser => {
	const page = await newPage(browser);
	await page.goto(input.page);
	await until("the page", async () => await page.locator("#state").innerText() === "Running");
	for (const [list, says] of Object.entries({
		"#keys-none": "No key was seen yet.", "#verdicts-none": "No requests yet.", "#limits-none": "No limit is running.", "#events-none": "None yet.",
	})) assert.equal(await page.locator(list).innerText(), says);
	assert.equal(await page.locator("#event-list li").count(), 0);

	await fetch(`${input.gate}/v1/track`, { headers: { "X-API-Key": input.test } });
	await until("the event", async () => await page.locator("#event-list li").count() === 1);
	assert.match(await page.locator("#event-list li").innerText(), /Test[\s\S]*key_test[\s\S]*GET \/v1\/track/);
	assert.ok(await page.locator("#events-none").isHidden());
	assert.deepEqual(page.complaints, []);
});
