import { t } from '@texts/common';
import icon from '@/favicon.svg';

const current = { page: '', organization: '', pending: 0 };

/** `(3) Sites · Acme · Gatehouse`, and the number on the favicon: what waits for approval is seen in the row of tabs. */
function write(): void {
  const { page, organization, pending } = current;
  const count = pending > 0 ? `(${pending}) ` : '';
  document.title = count + [page, organization, t.product].filter(Boolean).join(' · ');
}

/** For an effect. @returns what puts back the title before: a tab that cannot be shown stands within its page */
export function setPageTitle(page: string): () => void {
  const before = current.page;
  current.page = page;
  write();
  return () => {
    current.page = before;
    write();
  };
}

export function setOrganizationInTitle(organization: string, pending: number): void {
  if (pending !== current.pending) void drawIcon(pending);
  Object.assign(current, { organization, pending });
  write();
}

const SIZE = 64;

async function drawIcon(pending: number): Promise<void> {
  const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]')!;
  if (pending === 0) {
    link.href = icon;
    return;
  }
  const image = new Image(SIZE, SIZE);
  image.src = icon;
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = SIZE;
  const draw = canvas.getContext('2d')!;
  draw.drawImage(image, 0, 0, SIZE, SIZE);
  draw.fillStyle = '#e03131';
  draw.beginPath();
  draw.arc(44, 20, 20, 0, 2 * Math.PI);
  draw.fill();
  draw.fillStyle = '#fff';
  draw.font = 'bold 26px sans-serif';
  draw.textAlign = 'center';
  draw.textBaseline = 'middle';
  draw.fillText(pending > 99 ? '99' : String(pending), 44, 21);
  link.href = canvas.toDataURL();
}
