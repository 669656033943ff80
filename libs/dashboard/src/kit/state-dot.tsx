import styles from './cells.module.css';

/** A state as a dot and a word: never by colour alone. @param meaning what is said of it under the pointer */
export function StateDot({ color, label, meaning }: { color: string; label: string; meaning?: string }) {
  return (
    <span className={styles.state} title={meaning}>
      <span className={styles.dot} style={{ background: `var(--mantine-color-${color.replace('.', '-')})` }} />
      {label}
    </span>
  );
}
