// SPDX-License-Identifier: Apache-2.0
// HdrHistogram's side of java_test.py, which says what SAMPLES and the answer look like. Started from
// its source: java -cp hdrhistogram.jar log_peer.java SAMPLES LOG FOREIGN_LOG OTHERS_LOG
// writes two logs of the samples, the second of those that have a layout of their own, and prints what
// a third one holds.
import java.io.File;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.HdrHistogram.DoubleHistogram;
import org.HdrHistogram.EncodableHistogram;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramLogReader;
import org.HdrHistogram.HistogramLogWriter;

class LogPeer {
  static final long HOUR = 3_600_000_000_000L;
  static final long BASE = 1_700_000_000_000L;  // milliseconds
  static final double[] PERCENTILES = {50, 90, 99, 99.9, 99.99, 100};

  static Histogram plain(String[] words) {
    if (words.length == 4) return new Histogram(1, HOUR, 3);
    int digits = Integer.parseInt(words[4]);
    if (digits == 0) return new Histogram(3);  // grows by itself
    return new Histogram(Long.parseLong(words[5]), Long.parseLong(words[6]), digits);
  }

  static void write(HistogramLogWriter out, String[] words, EncodableHistogram values) {
    if (values instanceof Histogram && words[1].equals("shifted")) {
      ((Histogram) values).shiftValuesLeft(3);
    }
    if (!words[1].equals("-")) values.setTag(words[1]);
    double start = Double.parseDouble(words[2]);
    out.outputIntervalHistogram(start, start + Double.parseDouble(words[3]), values);
  }

  static void head(HistogramLogWriter out) {
    out.outputComment("[HdrHistogram: a test]");
    out.outputLogFormatVersion();
    out.outputBaseTime(BASE);
    out.outputStartTime(BASE);
    out.outputLegend();
  }

  static void print(Histogram h) {
    System.out.printf(Locale.US, "interval %s %d %d%n", h.getTag() == null ? "-" : h.getTag(),
        h.getStartTimeStamp(), h.getEndTimeStamp() - h.getStartTimeStamp());
    System.out.printf("count %d%nmax %d%n", h.getTotalCount(), h.getMaxValue());
    for (double p : PERCENTILES) {
      System.out.printf(Locale.US, "percentile %.2f %d%n", p, h.getValueAtPercentile(p));
    }
    for (var v : h.recordedValues()) {
      System.out.printf("bucket %d %d %d%n", h.lowestEquivalentValue(v.getValueIteratedTo()),
          h.highestEquivalentValue(v.getValueIteratedTo()), v.getCountAddedInThisIterationStep());
    }
  }

  public static void main(String[] files) throws Exception {
    var own = new HistogramLogWriter(files[1]);
    var foreign = new HistogramLogWriter(files[2]);
    head(own);
    head(foreign);
    String[] words = null;
    EncodableHistogram values = null;
    for (String line : Files.readAllLines(Path.of(files[0]))) {
      String[] next = line.split(" ");
      if (next[0].equals("interval")) {
        if (values != null) write(words.length == 4 ? own : foreign, words, values);
        words = next;
        values = next[1].equals("double") ? new DoubleHistogram(3) : plain(next);
      } else if (values instanceof DoubleHistogram) {
        ((DoubleHistogram) values).recordValue(Double.parseDouble(next[0]));
      } else {
        ((Histogram) values).recordValueWithCount(Long.parseLong(next[0]), Long.parseLong(next[1]));
      }
    }
    write(words.length == 4 ? own : foreign, words, values);

    var reader = new HistogramLogReader(new File(files[3]));
    EncodableHistogram got;
    while ((got = reader.nextIntervalHistogram()) != null) print((Histogram) got);
  }
}
