import { Logger } from '@nestjs/common';
import { AppError, isOutage } from '#platform';

const AT_ONCE = 20;

/**
 * Work that begins with the answer given, so that nothing of the answer tells what it finds. What it found to be mailed goes out after its
 * place is free: a mail server that takes its time would else tell, by those who find no place, for which addresses there was something to mail.
 */
export class LateWork {
  private readonly logger = new Logger(LateWork.name);
  private places = 0;
  /** What has not ended, mails included. */
  unfinished = 0;

  /**
   * @param find what is to be mailed, or null
   * @throws capacity while too much is being looked up
   */
  begin(find: () => Promise<(() => Promise<unknown>) | null>): void {
    if (this.places >= AT_ONCE)
      throw new AppError('capacity', 'Too many mails are being asked for at the moment', { retryAfter: 5 });
    this.places++;
    this.unfinished++;
    void find()
      .finally(() => this.places--)
      .then((mail) => mail?.())
      .catch((error: unknown) => isOutage(error) || this.logger.error({ err: error }, 'A mail could not be made'))
      .finally(() => this.unfinished--);
  }
}
