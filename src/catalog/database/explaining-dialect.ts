import { type DatabaseConnection, type Driver, SqliteDialect } from 'kysely';

/** SQLite with failures explained in the terms of users: for connections that only read. */
export class ExplainingDialect extends SqliteDialect {
  readonly #explain: (error: unknown) => unknown;

  constructor(config: ConstructorParameters<typeof SqliteDialect>[0], explain: (error: unknown) => unknown) {
    super(config);
    this.#explain = explain;
  }

  override createDriver(): Driver {
    const driver = super.createDriver();
    const explain = this.#explain;
    const acquire = driver.acquireConnection.bind(driver);
    driver.acquireConnection = async () => explaining(await acquire(), explain);
    return driver;
  }
}

function explaining(
  connection: DatabaseConnection,
  explain: (error: unknown) => unknown,
): DatabaseConnection {
  return {
    executeQuery: async (query) => {
      try {
        return await connection.executeQuery(query);
      } catch (error) {
        throw explain(error);
      }
    },
    streamQuery: (query, chunkSize) => connection.streamQuery(query, chunkSize),
  };
}
