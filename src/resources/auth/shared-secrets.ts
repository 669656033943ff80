import bcrypt from 'bcrypt';
import { sha256 } from '../../../libs/platform/index.js';

const COST = 10;

/** bcrypt looks at 72 bytes and stops at NUL; the digest of any text is shorter and has none. */
const digest = (secret: string) => sha256(secret).toString('base64');

/** Hashes a password, a PIN or `user:password` that visitors of a resource share. Before a transaction, never inside. */
export const hashShared = (secret: string): Promise<string> => bcrypt.hash(digest(secret), COST);

/** Whether it is the secret that `hashShared` saw. */
export const matchesShared = (secret: string, hash: string): Promise<boolean> => bcrypt.compare(digest(secret), hash);

/** What header authentication presents, before base64. */
export const headerAuthSecret = (user: string, password: string) => `${user}:${password}`;
