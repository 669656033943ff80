/**
 * The value of an environment variable that whoever starts this process must set.
 * @param {string} name
 * @throws when it is not set or empty.
 */
export function requiredEnv(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} must be set`);
  return value;
}
