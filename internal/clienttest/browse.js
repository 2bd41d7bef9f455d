// Sends two events with a client for browsers: node browse.js CLIENT URL EVENT EVENT, with the key in KEY. The page
// comes from PAGE_PORT and stays open until standard input ends: few clients tell when they have sent.
import { createServer } from "node:http";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { chromium } from "playwright-core";

const [client, url, ...events] = process.argv.slice(2);
const key = process.env.KEY;
const origin = `http://127.0.0.1:${process.env.PAGE_PORT}`;

const { outputFiles: [script] } = await build({ entryPoints: ["page.js"], bundle: true, format: "iife", write: false, logLevel: "error" });
const server = createServer((_, answer) => answer.setHeader("Content-Type", "text/html").end("<!doctype html><title>Shop</title>"));
await new Promise(listens => server.listen(process.env.PAGE_PORT, "127.0.0.1", listens));
const profile = await mkdtemp(join(tmpdir(), "clienttest-"));
const browser = await chromium.launchPersistentContext(profile, {
	executablePath: process.env.CHROMIUM, headless: true, userAgent: "Mozilla/5.0 (X11; Linux x86_64) Chrome/130 Safari/537.36", // some send nothing from a headless one
	args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
try {
	const page = await browser.newPage();
	await page.goto(origin);
	await page.addScriptTag({ content: script.text });
	await page.evaluate(args => window.send(...args), [client, url, key, events]);
	await new Promise(ended => process.stdin.on("end", ended).resume());
} finally {
	await browser.close();
	server.close();
	await rm(profile, { recursive: true, force: true });
}
