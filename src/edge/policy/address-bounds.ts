import { addressBucket } from '#platform';

/** How much is open, in all and by whom: one stranger takes no other's place (IPv6: one /64). */
export class AddressBounds {
  private readonly open = new Map<string, number>();
  private total = 0;

  constructor(
    private readonly most: number,
    private readonly mostOfAddress: number,
  ) {}

  /** @returns false when there is no room; else to be given back by {@link leave} */
  enter(address: string): boolean {
    const bucket = addressBucket(address);
    const ofAddress = this.open.get(bucket) ?? 0;
    if (this.total >= this.most || ofAddress >= this.mostOfAddress) return false;
    this.open.set(bucket, ofAddress + 1);
    this.total++;
    return true;
  }

  leave(address: string): void {
    const bucket = addressBucket(address);
    const left = this.open.get(bucket)! - 1;
    if (left === 0) this.open.delete(bucket);
    else this.open.set(bucket, left);
    this.total--;
  }
}
