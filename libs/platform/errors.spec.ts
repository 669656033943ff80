import { QueryRunnerAlreadyReleasedError } from 'typeorm';
import { describe, expect, it } from 'vitest';
import { conflict, refusedMeanwhile, unavailable } from './errors.js';
import { toAppError } from './http/error-filter.js';

const refusal = (code: string, detail?: string) =>
  Object.assign(new Error('refused'), { driverError: { code, detail } });

describe('what PostgreSQL refused because of somebody else', () => {
  it.each([
    ['23503', 'Key (org_id)=(a) is not present in table "org".', 404, 'Organization not found'],
    ['23503', 'Key (group_id)=(1) is not present in table "site_group".', 404, 'Group not found'],
    [
      '23503',
      'Key (template_id)=(1) is not present in table "provisioning_template".',
      404,
      'Provisioning template not found',
    ],
    [
      '23503',
      'Key (role_id)=(1) is still referenced from table "membership_role".',
      409,
      'Something else still needs this',
    ],
    ['23503', undefined, 409, 'Something else still needs this'],
  ])('%s %s', (code, detail, status, message) => {
    expect(toAppError(refusal(code, detail))).toMatchObject({ status, message });
    expect(toAppError(Object.assign(new Error('refused'), { code, detail }))).toMatchObject({ status, message });
  });

  it('is nothing else', () => {
    expect(refusedMeanwhile(refusal('23505'))).toBeUndefined();
    expect(refusedMeanwhile(new Error('other'))).toBeUndefined();
    expect(toAppError(refusal('23514'))).toMatchObject({ code: 'internal' });
  });
});

describe('what PostgreSQL cannot do now', () => {
  it.each([
    // A deadlock and a serialization failure in all attempts, a lock that was not to be had, a statement that took too long, no memory.
    ...['40P01', '40001', '55P03', '57014', '53200'].map((state) => [state, 'database_busy']),
    ['53100', 'database_full'],
    ...['57P01', '57P03', '25P03', '08006'].map((state) => [state, 'database_unavailable']),
  ])('%s is 503 %s', (state, code) => {
    for (const error of [refusal(state), Object.assign(new Error('refused'), { code: state })]) {
      expect(toAppError(error)).toMatchObject({ status: 503, code });
      expect(toAppError(error).details.retryAfter).toBeGreaterThan(0);
    }
  });

  it('is 503 too when TypeORM had released the runner of a broken connection', () => {
    expect(toAppError(new QueryRunnerAlreadyReleasedError())).toMatchObject({
      status: 503,
      code: 'database_unavailable',
    });
  });

  it('is nothing that would fail again', () => {
    for (const error of [refusal('23505'), refusal('23503'), refusal('42P01'), new Error('other'), conflict('taken')])
      expect(unavailable(error)).toBeUndefined();
  });
});
