import type { Locator, Page } from 'playwright-core';
import { t as common } from '../../../libs/dashboard/src/texts/en/common.js';
import type { Walk } from './walk.js';

/** No route knows it, and each says so after it has decided whether the caller may: 400 is "you might have", 403 is "you may not". */
const PARAMETER = 'only-asked';
/** The answer to a change that would have been allowed. */
export const ONLY_ASKED = /^400: (?!GET)/;
const DIALOG = '[role="dialog"]:visible';
/** What only opens, copies, sorts or turns a page. */
const HARMLESS = new RegExp(`^(${common.columns}|Copy|UTC)|^Page |page$`, 'i');

/**
 * Presses whatever is offered on a page, and in the menus and dialogs that this opens, while nothing changes: what would change something is
 * sent with a parameter that no route takes.
 */
export class Presses {
  /** Buttons that led to no request and to no dialog, wherever they were. */
  private readonly idle = new Set<string>();
  private asked = 0;
  /** How many changes were asked for. */
  get count(): number {
    return this.asked;
  }

  private constructor(private readonly walk: Walk) {}

  static async begin(walk: Walk): Promise<Presses> {
    const presses = new Presses(walk);
    await walk.page.route(/\/api\/v1\//, async (route) => {
      const request = route.request();
      if (request.method() === 'GET') return route.continue();
      presses.asked++;
      const url = new URL(request.url());
      url.searchParams.set(PARAMETER, '1');
      return route.continue({ url: url.href });
    });
    return presses;
  }

  /** @returns what was offered here and is refused */
  async all(): Promise<string[]> {
    const { page } = this.walk;
    const { pathname } = new URL(page.url());
    const refused: string[] = [];
    // What can be done with rows is offered once one is chosen.
    const row = page.locator(`tbody input[type="checkbox"][aria-label^="${common.selectRow('')}"]`).first();
    if ((await row.count()) > 0) await row.check();
    for (const name of await namesOf(page.locator('main button:visible:enabled'))) {
      if (this.idle.has(name) || HARMLESS.test(name)) continue;
      const before = this.asked;
      const opened = await this.press(page.locator('main'), name);
      if (!opened && this.asked === before) this.idle.add(name);
      for (const answer of this.walk.takeRefused())
        if (answer.startsWith('403')) refused.push(`${pathname}, ${JSON.stringify(name)}: ${answer}`);
      if (new URL(page.url()).pathname !== pathname) await this.walk.to(pathname);
    }
    return refused;
  }

  /** @returns whether something opened */
  private async press(within: Locator, name: string): Promise<boolean> {
    const { page } = this.walk;
    if (!(await click(within.locator('button:visible:enabled'), name))) return false;
    await this.walk.settle();
    const items = page.locator('[role="menuitem"]:visible:not(a)');
    const choices = await namesOf(items);
    for (const choice of choices) {
      if ((await items.count()) === 0) await click(within.locator('button:visible:enabled'), name);
      if (HARMLESS.test(choice) || !(await click(items, choice))) continue;
      await this.walk.settle();
      await this.answerDialog();
    }
    if (choices.length > 0) await page.keyboard.press('Escape');
    return (await this.answerDialog()) || choices.length > 0;
  }

  /** Presses what a dialog asks about. */
  private async answerDialog(): Promise<boolean> {
    const { page } = this.walk;
    const dialog = page.locator(DIALOG).last();
    if ((await page.locator(DIALOG).count()) === 0) return false;
    const toConfirm = dialog.getByLabel(/^Type .* to confirm$/);
    if ((await toConfirm.count()) > 0) {
      const label = await dialog
        .locator('label')
        .filter({ hasText: /^Type .* to confirm/ })
        .textContent();
      await toConfirm.fill(/^Type (.*) to confirm/.exec(label!)![1]!);
    }
    for (const name of await namesOf(dialog.locator(CONFIRMING))) {
      await click(dialog.locator(CONFIRMING), name);
      await this.walk.settle();
    }
    await closeDialogs(page);
    return true;
  }
}

const CONFIRMING = 'button:is([type="submit"], [data-variant="filled"]):visible:enabled';

/** What the functions below need of an element: they run in the page. */
interface Pressable {
  textContent: string;
  getAttribute(name: string): string | null;
  querySelector(selector: string): object | null;
  closest(selector: string): object | null;
  click(): void;
}

/** What buttons are called, each once: of rows the first. */
async function namesOf(buttons: Locator): Promise<string[]> {
  const found = await buttons.evaluateAll((all: Pressable[]) =>
    all
      .filter((one) => !one.querySelector('time'))
      .map((one) => ({
        name: one.getAttribute('aria-label') ?? one.textContent.trim(),
        isOfRow: one.closest('tr') !== null,
      })),
  );
  // In rows `Approve Press 14` and `Approve Press 15` are the same button.
  const kinds = new Map<string, string>();
  for (const { name, isOfRow } of found) {
    const kind = isOfRow ? `row ${name.split(' ')[0]}` : name;
    if (!kinds.has(kind)) kinds.set(kind, name);
  }
  return [...kinds.values()];
}

/** Without asking whether a toast covers it. @returns whether it was there */
const click = (buttons: Locator, name: string): Promise<boolean> =>
  buttons.evaluateAll((all: Pressable[], called: string) => {
    const one = all.find((each) => (each.getAttribute('aria-label') ?? each.textContent.trim()) === called);
    one?.click();
    return one !== undefined;
  }, name);

async function closeDialogs(page: Page): Promise<void> {
  for (let left = await page.locator(DIALOG).count(); left > 0; left = await page.locator(DIALOG).count()) {
    await page.keyboard.press('Escape');
    const closed = await page
      .locator(DIALOG)
      .nth(left - 1)
      .waitFor({ state: 'hidden', timeout: 2000 })
      .then(
        () => true,
        () => false,
      );
    // One that wants an answer: the page anew has none.
    if (!closed) await page.reload();
  }
}
