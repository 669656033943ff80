import { setNonce } from 'get-nonce';

/**
 * The nonce of this page (docs/adr/0079-one-page-for-browsers.md). Mantine takes it by `getStyleNonce`, CodeMirror by `EditorView.cspNonce`;
 * what locks scrolling under modals and drawers reads it from get-nonce.
 */
export const NONCE = document.querySelector<HTMLMetaElement>('meta[property="csp-nonce"]')?.nonce ?? '';

setNonce(NONCE);
