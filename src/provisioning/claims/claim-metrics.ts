import { Counter } from 'prom-client';

/** Claims by outcome and, for refusals, by private reason: a closed set, so the number of series is bounded. */
export const claimsDecided = new Counter({
  name: 'gatehouse_claims_total',
  help: 'Claims by outcome and private reason',
  labelNames: ['outcome', 'reason'],
});
