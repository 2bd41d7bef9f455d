// Looks at the page of the admin endpoint while a rotation is in progress.
import assert from "node:assert/strict";
import { input, withBrowser, newPage, until } from "./browser.js";

/** Sends requests with a key through the gate. */
async function send(n, key) {
	for (let i = 0; i < n; i++) await fetch(`${input.gate}/v1/track`, { headers: { "X-API-Key": key } });
}

/** Returns what the row of a key shows: allowed and refused in the last hour. */
async function row(page, keyID) {
	const cells = await page.locator("#keys tbody tr", { has: page.getByText(keyID, { exact: true }) }).locator("td.n").allTextContents();
	return cells.slice(0, 2).map(text => Number(text.replaceAll(",", "")));
}

async function showsRotation(page) {
	const card = page.locator(".rotation");
	assert.equal(await card.count(), 1);
	assert.match(await card.innerText(), /key_old\s*→\s*key_new/);
	assert.match(await card.innerText(), /old key expires in 4 h/);
	// The old key had nearly all of the traffic an hour ago and has little now.
	const bars = await card.locator("svg path").evaluateAll(paths => paths.map(p => {
		const heights = new Array(60).fill(0);
		for (const [, x, h] of p.getAttribute("d").matchAll(/M([\d.]+) [\d.]+v-([\d.]+)/g)) heights[Math.floor(x / 4)] = Number(h);
		return heights;
	}));
	const share = ([after, before], from, to) => {
		const a = after.slice(from, to).reduce((x, y) => x + y), b = before.slice(from, to).reduce((x, y) => x + y);
		return a / (a + b);
	};
	assert.ok(share(bars, 0, 10) < .2, `share of the new key at first: ${share(bars, 0, 10)}`);
	assert.ok(share(bars, 50, 59) > .8, `share of the new key at last: ${share(bars, 50, 59)}`);
}

async function followsTraffic(page) {
	const [old, successor] = [await row(page, "key_old"), await row(page, "key_new")];
	assert.ok(old[0] > 1000 && successor[0] > 1000, `${old} ${successor}`);
	const kept = await page.locator("#keys tbody tr").first().elementHandle();
	await send(12, input.new);
	let now;
	await until(() => `the traffic of the new key: ${now}, it was ${successor}`, async () => (now = await row(page, "key_new"))[0] === successor[0] + 12);
	assert.deepEqual(await row(page, "key_old"), old, "the old key had no more requests");
	await send(2, "no-such-key");
	await until("the verdict", async () => /unknown_key\s+[1-9]/.test(await page.locator("#verdicts").innerText()));
	assert.ok(await kept.evaluate(node => node.isConnected), "rows stay where they are when the page refreshes");
	assert.match(await page.locator("#limits").innerText(), /key_new[\s\S]*28 of 40 left/);
}

async function showsEventsAsText(page) {
	const events = page.locator("#event-list li");
	assert.equal(await events.count(), 2);
	assert.match(await events.first().innerText(), /Test[\s\S]*key_test[\s\S]*POST \/v1\/<b>track<\/b>/);
	await events.first().locator("summary").click();
	assert.equal(await events.first().locator("pre").innerText(), `{"event":"<img src=x onerror=complain('a script ran')>"}`);
	assert.equal(await page.locator("main img, main b").count(), 0);
	await events.first().locator("summary").click();
}

/** Walks through the page with the keyboard alone. */
async function walk(page) {
	await page.reload(); // so that the walk begins at the top
	await page.locator("#event-list summary").first().waitFor();
	const focused = () => page.evaluate(() => {
		const e = document.activeElement, box = e.getBoundingClientRect(), style = getComputedStyle(e);
		return {
			what: e.id || e.className || e.localName, name: e.getAttribute("aria-labelledby") || e.textContent.trim(),
			seen: box.width > 0 && box.right > 0 && box.bottom > 0 && box.top < innerHeight, ring: style.outlineStyle !== "none",
		};
	});
	await page.keyboard.press("Tab");
	assert.equal((await focused()).name, "Skip to content");
	await page.keyboard.press("Enter");
	assert.equal((await focused()).what, "main");
	const stops = [];
	for (let i = 0; i < 4; i++) {
		await page.keyboard.press("Tab");
		const stop = await focused();
		assert.ok(stop.seen && stop.ring && stop.name, `focus can be seen and has a name: ${JSON.stringify(stop)}`);
		stops.push(stop.what);
	}
	assert.deepEqual(stops, ["scroll", "list", "summary", "summary"]);
	const details = page.locator("#event-list details").nth(1);
	await page.keyboard.press("Enter");
	assert.ok(await details.evaluate(d => d.open));
	const shown = await page.locator("#f-up").innerText();
	await until("a refresh", async () => await page.locator("#f-up").innerText() !== shown);
	assert.ok(await details.evaluate(d => d.open), "what was opened stays open");
	assert.equal((await focused()).what, "summary", "the focus stays where it is");
	assert.deepEqual(await page.locator("main [onclick], main [role=button]").count(), 0);
	assert.equal(await page.locator("table:not(:has(th[scope=col]))").count(), 0);
}

/** Measures the contrast of all text (WCAG 2.2, 1.4.3), and that nothing sticks out. */
async function looks(page, colorScheme) {
	await page.emulateMedia({ colorScheme });
	for (const width of [1280, 480, 320]) {
		await page.setViewportSize({ width, height: 900 });
		assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${colorScheme}: too wide for ${width} pixels`);
	}
	const faint = await page.evaluate(() => {
		const luminance = color => {
			const [r, g, b] = color.match(/[\d.]+/g).map(v => (v /= 255) <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4);
			return .2126 * r + .7152 * g + .0722 * b;
		};
		const ground = e => {
			for (; e; e = e.parentElement) {
				const color = getComputedStyle(e).backgroundColor;
				if (color !== "rgba(0, 0, 0, 0)") return color;
			}
		};
		return [...document.querySelectorAll("body *")]
			.filter(e => e.checkVisibility() && !["SCRIPT", "STYLE"].includes(e.tagName) && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()))
			.map(e => {
				const [a, b] = [luminance(getComputedStyle(e).color), luminance(ground(e))].sort((x, y) => y - x);
				return [e.textContent.trim().slice(0, 30), (a + .05) / (b + .05)];
			}).filter(([, ratio]) => ratio < 4.5);
	});
	assert.deepEqual(faint, [], `${colorScheme}: text with too little contrast`);
	return page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
}

/** Tries from a page of another site to change something. */
async function withstandsOtherSites(browser) {
	const page = await newPage(browser);
	await page.goto(input.other);
	const attempts = {
		"no-cors": url => fetch(url, { method: "POST", mode: "no-cors", referrerPolicy: "no-referrer", body: `{"all":true}` }),
		beacon: url => navigator.sendBeacon(url, `{"all":true}`),
		form: url => {
			document.body.innerHTML = `<form method="post" enctype="text/plain" rel="noreferrer"><input name='{"all":true}//'></form>`;
			document.forms[0].action = url;
			document.forms[0].submit();
		},
	};
	for (const [name, attempt] of Object.entries(attempts)) {
		const answered = page.waitForResponse(r => r.request().method() === "POST");
		await page.evaluate(`(${attempt})(${JSON.stringify(input.page + "purge")}); 0`);
		const status = (await answered).status();
		assert.ok(status === 400 || status === 403, `${name} from another site: status ${status}`);
		assert.ok(!(await (await answered).text().catch(() => "")).includes("the body must be"), `${name} from another site got through to the route`);
	}
	await page.close();
}

async function saysWhenGatewayIsLost(browser, page) {
	await browser.setOffline(true);
	await page.getByText("The gateway cannot be reached.").waitFor();
	assert.equal(await page.locator("#state").innerText(), "Not connected");
	await browser.setOffline(false);
	await until("the gateway", async () => await page.locator("#state").innerText() === "Running");
	assert.ok(await page.locator("#outage").isHidden());
}

await withBrowser(async browser => {
	const page = await newPage(browser);
	await page.goto(input.page);
	await page.locator("#keys tbody tr").first().waitFor();
	await showsRotation(page);
	await followsTraffic(page);
	await showsEventsAsText(page);
	await walk(page);
	assert.notEqual(await looks(page, "light"), await looks(page, "dark"), "light and dark differ");
	assert.deepEqual(page.complaints, []);
	await withstandsOtherSites(browser);
	await saysWhenGatewayIsLost(browser, page); // a browser complains about that
});
