// Written by scripts/charset-tables.ts from MySQL 9.7.4-2 and MariaDB 10.11.19-MariaDB-0+deb12u1-log.

/** The numbers of both servers' collations, by character set. */
export const sharedCollations = `
armscii8: 32 64
ascii: 11 65
big5: 1 84
binary: 63
cp1250: 26 34 44 66 99
cp1251: 14 23 50-52
cp1256: 57 67
cp1257: 29 58-59
cp850: 4 80
cp852: 40 81
cp866: 36 68
cp932: 95-96
dec8: 3 69
eucjpms: 97-98
euckr: 19 85
gb2312: 24 86
gbk: 28 87
geostd8: 92-93
greek: 25 70
hebrew: 16 71
hp8: 6 72
keybcs2: 37 73
koi8r: 7 74
koi8u: 22 75
latin1: 5 8 15 31 47-49 94
latin2: 2 9 21 27 77
latin5: 30 78
latin7: 20 41-42 79
macce: 38 43
macroman: 39 53
sjis: 13 88
swe7: 10 82
tis620: 18 89
ucs2: 35 90 128-151 159
ujis: 12 91
utf16: 54-55 101-124
utf16le: 56 62
utf32: 60-61 160-183
utf8mb3: 33 83 192-215 223
utf8mb4: 45-46 224-247`;

/** Those that only MySQL has. */
export const mysqlCollations = `
gb18030: 248-250
utf8mb3: 76
utf8mb4: 255-271 273-275 277-294 296-298 300 303-323`;

/** Those that only MariaDB has. */
export const mariadbCollations = `
armscii8: 1056 1088
ascii: 1035 1089
big5: 1025 1108
cp1250: 1050 1090
cp1251: 1074-1075
cp1256: 1081 1091
cp1257: 1082-1083
cp850: 1028 1104
cp852: 1064 1105
cp866: 1060 1092
cp932: 1119-1120
dec8: 1027 1093
eucjpms: 1121-1122
euckr: 1043 1109
gb2312: 1048 1110
gbk: 1052 1111
geostd8: 1116-1117
greek: 1049 1094
hebrew: 1040 1095
hp8: 1030 1096
keybcs2: 1061 1097
koi8r: 1031 1098
koi8u: 1046 1099
latin1: 1032 1071
latin2: 1033 1101
latin5: 1054 1102
latin7: 1065 1103
macce: 1062 1067
macroman: 1063 1077
sjis: 1037 1112
swe7: 1034 1106
tis620: 1042 1113
ucs2: 640-642 1059 1114 1152 1174 2560-2727 2744-2759
ujis: 1036 1115
utf16: 672-674 1078-1079 1125 1147 2816-2983 3000-3015
utf16le: 1080 1086
utf32: 736-738 1084-1085 1184 1206 3072-3239 3256-3271
utf8mb3: 576-578 1057 1107 1216 1238 2048-2215 2232-2247
utf8mb4: 608-610 1069-1070 1248 1270 2304-2471 2488-2503`;
