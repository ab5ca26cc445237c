#include "store/s3_xml.h"

#include <gtest/gtest.h>

namespace assay::store {
namespace {

TEST(S3Xml, ReadsAListOfObjects) {
  const ListPage page =
      parse_list_page(
          "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
          "<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>b</Name>"
          "<IsTruncated>true</IsTruncated><NextContinuationToken>t/=</NextContinuationToken>"
          "<Contents><Key>a/&lt;&amp;&#x20AC;&#10;b</Key><LastModified>2026-01-02T03:04:05.678Z"
          "</LastModified><Size>42</Size><ETag>\"x\"</ETag></Contents>"
          "<CommonPrefixes><Prefix>a/b=1/</Prefix></CommonPrefixes><!-- > --></ListBucketResult>\n")
          .value();
  ASSERT_EQ(page.objects.size(), 1U);
  EXPECT_EQ(page.objects[0].key, "a/<&\xE2\x82\xAC\nb");
  EXPECT_EQ(page.objects[0].size_bytes, 42);
  EXPECT_EQ(format_time(page.objects[0].modified), "2026-01-02T03:04:05.678Z");
  EXPECT_EQ(page.prefixes, std::vector<std::string>{"a/b=1/"});
  EXPECT_EQ(page.next_token, "t/=");
}

TEST(S3Xml, ReadsAnEmptyList) {
  const ListPage page =
      parse_list_page("<s3:ListBucketResult><IsTruncated>false</IsTruncated></s3:ListBucketResult>")
          .value();
  EXPECT_TRUE(page.objects.empty());
  EXPECT_EQ(page.next_token, "");
  EXPECT_TRUE(parse_list_page("<ListBucketResult a='>'/>").ok());
}

TEST(S3Xml, ReadsAnError) {
  const auto error = parse_s3_error(
      "<Error><Code>NoSuchBucket</Code><Message>It <![CDATA[<is>]]> gone</Message></Error>");
  ASSERT_TRUE(error.has_value());
  EXPECT_EQ(error->code, "NoSuchBucket");
  EXPECT_EQ(error->message, "It <is> gone");
  EXPECT_FALSE(parse_s3_error("<Other/>").has_value());
  EXPECT_FALSE(parse_s3_error("bad gateway").has_value());
}

TEST(S3Xml, RefusesWhatIsNoAnswer) {
  const std::string deep(100, '<');
  std::string nested;
  for (int i = 0; i < 17; ++i) {
    nested += "<a>";
  }
  for (const std::string& text : {std::string(),
                                  std::string("<a>"),
                                  std::string("<a></b>"),
                                  std::string("<a/><b/>"),
                                  std::string("<a>&nothing;</a>"),
                                  std::string("<a>&#xD800;</a>"),
                                  std::string("<a>&#0;</a>"),
                                  std::string("<a b='></a>"),
                                  std::string("< a/>"),
                                  std::string("<a/ >"),
                                  std::string("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>"),
                                  deep,
                                  nested}) {
    EXPECT_EQ(parse_xml(text).code(), Code::kCorrupt) << text;
  }
  for (const char* text :
       {"<Error/>",
        "<ListBucketResult><Contents><Key>a</Key></Contents></ListBucketResult>",
        "<ListBucketResult><Contents><Key>a</Key><Size>-1</Size>"
        "<LastModified>2026-01-02T03:04:05Z</LastModified></Contents></ListBucketResult>",
        "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>"}) {
    EXPECT_EQ(parse_list_page(text).code(), Code::kCorrupt) << text;
  }
}

}  // namespace
}  // namespace assay::store
