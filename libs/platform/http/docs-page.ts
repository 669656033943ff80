import type { SwaggerCustomOptions } from '@nestjs/swagger';

/** What the browser holds of the operations: an immutable map. */
interface Immutable {
  get(key: string): never;
  set(key: string, value: unknown): Immutable;
  map(change: (value: Immutable, key: string) => Immutable): Immutable;
  filter(keep: (value: Immutable) => boolean): Immutable;
  readonly size: number;
}

/** Finds operations whose tag, method, path, id or summary hold all words. It runs in the browser, as text: it may use nothing from outside. */
function searchOperations(): object {
  return {
    fn: {
      opsFilter(tags: Immutable, phrase: string): Immutable {
        const words = phrase.toLowerCase().split(/\s+/);
        return tags
          .map((tag, name) =>
            tag.set(
              'operations',
              (tag.get('operations') as Immutable).filter((entry) => {
                const operation = entry.get('operation') as Immutable;
                const parts = [name, entry.get('method'), entry.get('path'), operation.get('operationId')];
                const text = [...parts, operation.get('summary')].join(' ').toLowerCase();
                return words.every((word) => text.includes(word));
              }),
            ),
          )
          .filter((tag) => (tag.get('operations') as Immutable).size > 0);
      },
    },
  };
}

/** Names the search box for what it searches, once it is there, and puts the cursor where an API key goes. In the browser, as the one above. */
function preparePage(): void {
  const { document: page, MutationObserver: Observer } = globalThis as unknown as Browser;
  const observer = new Observer(() => {
    const box = page.querySelector('.operation-filter-input');
    box?.setAttribute('placeholder', 'Search operations');
    if (box) observer.disconnect();
  });
  observer.observe(page, { childList: true, subtree: true });
  page.addEventListener('click', ({ target }) => {
    if (target.closest('.btn.authorize')) setTimeout(() => page.querySelector('.auth-container input')?.focus());
  });
}

/** As much of a browser as the page needs. */
interface Browser {
  document: {
    querySelector(selector: string): { setAttribute(name: string, value: string): void; focus(): void } | null;
    addEventListener(
      type: string,
      listener: (event: { target: { closest(selector: string): object | null } }) => void,
    ): void;
  };
  MutationObserver: new (changed: () => void) => { observe(node: object, options: object): void; disconnect(): void };
}

/** How the page looks and what it can do. */
export const PAGE_OPTIONS: SwaggerCustomOptions = {
  customSiteTitle: 'Gatehouse API',
  swaggerOptions: { filter: true, plugins: [searchOperations], onComplete: preparePage },
};
