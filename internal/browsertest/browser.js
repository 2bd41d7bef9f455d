// What the scripts of this folder share: a browser, and what goes wrong in it.
import { chromium } from "playwright-core";

/** The input that the Go test has for the script. */
export const input = JSON.parse(process.argv[2]);

const flags = [
	"--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
	"--disable-component-update", "--disable-sync",
];

/** Opens a browser with a fresh profile, gives it to use, and closes it. */
export async function withBrowser(use) {
	const browser = await chromium.launchPersistentContext(input.profile, { executablePath: input.chromium, headless: true, args: flags });
	browser.setDefaultTimeout(30_000);
	try {
		await use(browser);
	} finally {
		await browser.close();
	}
}

/** Opens an empty page. Its complaints are errors, violations of the content security policy among them. */
export async function newPage(browser) {
	const page = await browser.newPage();
	page.complaints = [];
	page.on("pageerror", error => page.complaints.push(`exception: ${error}`));
	page.on("console", message => {
		if (["error", "warning"].includes(message.type())) page.complaints.push(`console: ${message.text()} (${message.location().url})`);
	});
	await page.exposeFunction("complain", what => page.complaints.push(what));
	await page.addInitScript(() => { // the page refreshes sooner than every three seconds
		const wait = setTimeout;
		window.setTimeout = (then, ms) => wait(then, ms / 10);
	});
	await page.addInitScript(() => addEventListener("securitypolicyviolation", e => complain(`policy: ${e.violatedDirective} ${e.blockedURI}`)));
	return page;
}

/** Waits until check, run in Node.js, returns something true, and returns that. */
export async function until(what, check) {
	for (const end = Date.now() + 30_000; Date.now() < end;) {
		const result = await check();
		if (result) return result;
		await new Promise(resolve => setTimeout(resolve, 50));
	}
	throw new Error(`waited too long for ${typeof what === "function" ? what() : what}`);
}
