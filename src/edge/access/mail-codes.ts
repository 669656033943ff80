import { randomInt, randomUUID } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { Db, KeyRing, Mailer, RefusalLimiter } from '#platform';
import { LateWork } from '../../access/index.js';
import { AccessRepository } from './access.repository.js';
import type { EdgeRequest } from './edge-request.js';

const DIGITS = 8;
const MINUTES = 10;

/** E-mail addresses that a resource lists, proven by a code that is mailed to them. */
@Injectable()
export class MailCodes {
  readonly late = new LateWork();

  constructor(
    private readonly db: Db,
    private readonly repository: AccessRepository,
    private readonly keys: KeyRing,
    private readonly mailer: Mailer,
    private readonly limiter: RefusalLimiter,
  ) {}

  get isPossible(): boolean {
    return this.mailer.isConfigured;
  }

  /**
   * Has a code mailed, if the address is listed: what it takes to know is done after the answer.
   * @param email in lower case
   * @returns by what the browser that asked is known when the code comes
   * @throws rate_limited, capacity
   */
  request({ route, client, host }: EdgeRequest, email: string): string {
    const { resourceId } = route.settings;
    this.limiter.refused(client, `resource-code:${resourceId}:${email}`);
    const codeId = randomUUID();
    this.late.begin(async () => {
      const code = String(randomInt(10 ** DIGITS)).padStart(DIGITS, '0');
      const codeMac = this.keys.mac('mail-code', `${codeId}:${code}`);
      const isListed = await this.db.tx((tx) =>
        this.repository.addMailCode(tx, { codeId, resourceId, email, codeMac, minutes: MINUTES }),
      );
      return isListed ? () => this.mailer.send(mailOf(email, host, code)) : null;
    });
    return codeId;
  }

  /**
   * @param codeIds which this browser asked for
   * @param code as somebody typed it
   * @returns the one that it is, and whose address that proves; the caller spends it
   */
  async find(
    { route }: EdgeRequest,
    codeIds: string[],
    code: string,
  ): Promise<{ codeId: string; email: string } | undefined> {
    const digits = code.replace(/[\s-]/g, '');
    if (codeIds.length === 0 || !/^\d+$/.test(digits) || digits.length !== DIGITS) return undefined;
    const tried = await this.repository.tryMailCodes(this.db.manager, route.settings.resourceId, codeIds);
    return tried.find(({ codeId, codeMac }) => this.keys.isMac('mail-code', `${codeId}:${digits}`, codeMac));
  }
}

const mailOf = (email: string, host: string, code: string) => ({
  to: email,
  subject: 'Your code to log in',
  text:
    `Somebody asked to open ${host} as ${email}. To log in, enter this code within ${MINUTES} minutes, in the browser that asked for it:\n\n${code}\n\n` +
    'Give it to nobody; if it was not you who asked, nothing happens.\n',
});
