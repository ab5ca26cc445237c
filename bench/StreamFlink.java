// What bench/stream_peers.sh asks of Flink, in one process with two slots:
// tools/servers/flink.sh run bench/StreamFlink.java WORD...
//
//   tiles|hop SOURCE REPEATS [ANSWERS]    JSON to windows, streaming: 10 minutes; an hour every 10. SOURCE is a folder of
//                                         files, or kafka:BROKERS/TOPIC
//   backfill steps|hops FILE REPEATS [ANSWERS]
//       CSV to 3 windows x 3 aggregates, hop 10 minutes, in batch mode: `steps` by tiles and window functions over the
//       instants at which an answer changes; `hops` as it is usually written, one row of an event for each window
//
// Prints `seconds S processor P` for each repeat, the first of them in a machine that is still warming up. What it
// computes is thrown away, save for what a repeat of its own writes to ANSWERS as CSV, which is not timed.

import com.sun.management.OperatingSystemMXBean;
import java.lang.management.ManagementFactory;
import java.util.ArrayList;
import java.util.List;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.runtime.util.EnvironmentInformation;
import org.apache.flink.table.api.EnvironmentSettings;
import org.apache.flink.table.api.TableEnvironment;

public class StreamFlink {
  private static final String[] NAMES = {"1h", "24h", "7d"};
  private static final long[] MINUTES = {60, 1440, 10080};
  private static final long MINUTE = 60_000_000L;

  public static void main(String[] words) throws Exception {
    boolean isBackfill = words[0].equals("backfill");
    int first = isBackfill ? 2 : 1;
    Configuration configuration = new Configuration();
    configuration.setString("parallelism.default", "2");
    configuration.setString("rest.bind-address", "127.0.0.1");
    configuration.setString("rest.bind-port", "0");
    configuration.setString("pipeline.object-reuse", "true");
    configuration.setString("taskmanager.memory.managed.size", "2g");
    configuration.setString("taskmanager.memory.network.min", "128m");
    configuration.setString("taskmanager.memory.network.max", "128m");
    configuration.setString("table.local-time-zone", "UTC");
    EnvironmentSettings.Builder settings = EnvironmentSettings.newInstance().withConfiguration(configuration);
    TableEnvironment tables = TableEnvironment.create(isBackfill ? settings.inBatchMode().build() : settings.inStreamingMode().build());
    tables.executeSql(isBackfill ? rows(words[first]) : events(words[first]));
    String query = isBackfill ? words[1].equals("steps") ? steps() : hops() : windows(words[0]);
    String columns = isBackfill ? words[1].equals("steps") ? stepColumns() : "`over` STRING, who BIGINT, ends STRING, n BIGINT, total DOUBLE, top DOUBLE"
                                : "user_id STRING, ends STRING, n BIGINT, items BIGINT, dearest DOUBLE";
    tables.executeSql("CREATE TABLE thrown_away (" + columns + ") WITH ('connector' = 'blackhole')");
    System.out.println("engine Flink " + EnvironmentInformation.getVersion());
    OperatingSystemMXBean machine = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    for (int repeat = 0; repeat < Integer.parseInt(words[first + 1]); ++repeat) {
      long began = System.nanoTime();
      long processor = machine.getProcessCpuTime();
      tables.executeSql("INSERT INTO thrown_away " + query).await();
      System.out.printf("seconds %.3f processor %.3f%n", (System.nanoTime() - began) / 1e9, (machine.getProcessCpuTime() - processor) / 1e9);
    }
    if (words.length > first + 2) {
      tables.executeSql("CREATE TABLE answers (" + columns + ") WITH ('connector' = 'filesystem', 'path' = 'file://" + words[first + 2]
          + "', 'format' = 'csv')");
      tables.executeSql("INSERT INTO answers " + query).await();
    }
    System.exit(0);
  }

  /** Parts of files are read in any order, so a day must pass before something is late. */
  private static String events(String source) {
    String from = "'connector' = 'filesystem', 'path' = 'file://" + source + "'";
    if (source.startsWith("kafka:")) {
      String[] words = source.substring("kafka:".length()).split("/");
      from = "'connector' = 'kafka', 'properties.bootstrap.servers' = '" + words[0] + "', 'topic' = '" + words[1]
          + "', 'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset'";
    }
    return "CREATE TABLE events (user_id STRING, item_id BIGINT, price DOUBLE, ts BIGINT, happened AS TO_TIMESTAMP_LTZ(ts, 3), "
        + "WATERMARK FOR happened AS happened - INTERVAL '1' DAY) WITH (" + from + ", 'format' = 'json')";
  }

  private static String windows(String kind) {
    String window = kind.equals("tiles") ? "TUMBLE(TABLE events, DESCRIPTOR(happened), INTERVAL '10' MINUTE)"
                                         : "HOP(TABLE events, DESCRIPTOR(happened), INTERVAL '10' MINUTE, INTERVAL '1' HOUR)";
    return "SELECT user_id, CAST(window_end AS STRING), COUNT(*), SUM(item_id), MAX(price) FROM TABLE(" + window
        + ") GROUP BY user_id, window_start, window_end";
  }

  private static String rows(String file) {
    return "CREATE TABLE events (who BIGINT, t BIGINT, amount DOUBLE, happened AS TO_TIMESTAMP_LTZ(t / 1000, 3), WATERMARK FOR happened AS happened) "
        + "WITH ('connector' = 'filesystem', 'path' = 'file://" + file + "', 'format' = 'csv')";
  }

  private static String stepColumns() {
    List<String> columns = new ArrayList<>(List.of("who BIGINT", "t BIGINT"));
    for (String feature : new String[] {"n", "total", "top"}) {
      for (String name : NAMES) {
        columns.add(feature + "_" + name + (feature.equals("n") ? " BIGINT" : " DOUBLE"));
      }
    }
    return String.join(", ", columns);
  }

  /** The steps as window_bench.cc has them for DuckDB. */
  private static String steps() {
    long slide = 10 * MINUTE;
    StringBuilder instants = new StringBuilder("SELECT who, tile + " + slide + " AS t, c, s, m, e FROM tiles");
    for (long minutes : MINUTES) {
      instants.append(" UNION ALL SELECT who, tile + ").append(slide + minutes * MINUTE)
          .append(" AS t, CAST(0 AS BIGINT), CAST(NULL AS DOUBLE), CAST(NULL AS DOUBLE), CAST(NULL AS BIGINT) FROM tiles");
    }
    List<String> columns = new ArrayList<>();
    List<String> names = new ArrayList<>();
    List<String> before = new ArrayList<>(List.of("LAG(e) OVER (PARTITION BY who ORDER BY t) AS before_e"));
    List<String> changed = new ArrayList<>(List.of("e IS DISTINCT FROM before_e"));
    columns.add("MAX(e) OVER (PARTITION BY who ORDER BY t) AS e");
    String[][] features = {{"n", "SUM(c)"}, {"total", "SUM(s)"}, {"top", "MAX(m)"}};
    for (String[] feature : features) {
      for (int i = 0; i < NAMES.length; ++i) {
        String name = feature[0] + "_" + NAMES[i];
        names.add(name);
        columns.add(feature[1] + " OVER (PARTITION BY who ORDER BY t RANGE BETWEEN " + (MINUTES[i] * MINUTE - 1)
            + " PRECEDING AND CURRENT ROW) AS " + name);
        before.add("LAG(" + name + ") OVER (PARTITION BY who ORDER BY t) AS before_" + name);
        changed.add(name + " IS DISTINCT FROM before_" + name);
      }
    }
    String all = String.join(", ", names);
    return "SELECT who, t, " + all + " FROM (SELECT *, " + String.join(", ", before) + " FROM (SELECT who, t, " + String.join(", ", columns)
        + " FROM (SELECT who, t, SUM(c) AS c, SUM(s) AS s, MAX(m) AS m, MAX(e) AS e FROM (WITH tiles AS (SELECT who, t / " + slide + " * " + slide
        + " AS tile, COUNT(*) AS c, SUM(amount) AS s, MAX(amount) AS m, MAX(t) AS e FROM events GROUP BY who, t / " + slide + " * " + slide + ") "
        + instants + ") GROUP BY who, t))) WHERE " + String.join(" OR ", changed);
  }

  private static String hops() {
    List<String> parts = new ArrayList<>();
    for (int i = 0; i < NAMES.length; ++i) {
      parts.add("SELECT '" + NAMES[i] + "', who, CAST(window_end AS STRING), COUNT(*), SUM(amount), MAX(amount) FROM TABLE(HOP(TABLE events, "
          + "DESCRIPTOR(happened), INTERVAL '10' MINUTE, INTERVAL '" + MINUTES[i] + "' MINUTE" + (MINUTES[i] > 99 ? "(5)" : "")
          + ")) GROUP BY who, window_start, window_end");
    }
    return String.join(" UNION ALL ", parts);
  }
}
