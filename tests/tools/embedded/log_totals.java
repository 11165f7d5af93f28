// SPDX-License-Identifier: Apache-2.0
// What HdrHistogram reads of an interval log: a line "TAG START LENGTH COUNT" an interval, the start in
// milliseconds since the epoch.
import java.io.File;
import org.HdrHistogram.EncodableHistogram;
import org.HdrHistogram.Histogram;
import org.HdrHistogram.HistogramLogReader;

class LogTotals {
  public static void main(String[] files) throws Exception {
    var reader = new HistogramLogReader(new File(files[0]));
    EncodableHistogram got;
    while ((got = reader.nextIntervalHistogram()) != null) {
      var h = (Histogram) got;
      System.out.printf("%s %d %d %d%n", h.getTag(), h.getStartTimeStamp(),
          h.getEndTimeStamp() - h.getStartTimeStamp(), h.getTotalCount());
    }
  }
}
